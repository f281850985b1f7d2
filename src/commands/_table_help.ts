import { TABLE_TYPES } from "../table/registry.ts";
import type { ToolStyle } from "./_table_options.ts";

const WIDTH = 100;

function typesWith(index: boolean): string {
  return Object.keys(TABLE_TYPES).filter((type) => (TABLE_TYPES[type]!.index !== undefined) === index).join(
    " ",
  );
}

/** A text in lines that fit the screen. */
function wrapped(text: string): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line.length + word.length + 1 > WIDTH) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}

/** What `--help` prints; fits a screen. */
export function toolHelp({ program, usage, format }: ToolStyle): string {
  const only = format === "map";
  const lines = [
    `${usage.replace("usage: ", "usage: mta ")}`,
    "",
    only
      ? "Makes a lookup table from a text file, or asks and changes one."
      : "Makes an alias table from an alias file, or asks and changes one.",
    `Types that can be made: ${typesWith(true)}; default_database_type when none is given.`,
    ...wrapped(`Types that can only be asked: ${typesWith(false)}`),
    "",
    "  FILE         make the table anew; readers see the old one until the new one is whole",
    "  -i           add the entries on standard input to the table",
    "  -q KEY       print the value of the first table that has KEY; -q - asks each line of standard input",
    "  -d KEY       delete KEY from all tables; -d - each line of standard input",
    "  -s           list the first table",
    "  -r  -w       a key that is there already: replace it, or keep the first, without a warning",
    "  -f           do not fold keys to lower case",
    "  -N  -n       with, or without, a terminating NUL on keys and values",
    "  -o  -p       do not take over the source's owner (as root), its permissions",
    "  -u           keys are bytes: no UTF-8 checks, only A to Z are folded",
    ...(only
      ? [
        "  -F           values are names of files, whose content is stored (base64)",
        '  -h -b -m     with "-q -": ask for the header fields, body lines, MIME parts of a message',
      ]
      : []),
    "  -c DIR       configuration directory       -v  ignored       --json  results as JSON lines",
    "",
    `Exit status: 0 when done or found, 1 otherwise. ${program}(1) describes the same options.`,
  ];
  return `${lines.join("\n")}\n`;
}
