import { TABLE_TYPES } from "../../table/table_types.ts";
import type { ToolStyle } from "./_options.ts";

const WIDTH = 79;

function typesWith(index: boolean): string {
  const types = Object.entries(TABLE_TYPES).filter(([, row]) => (row.index !== undefined) === index);
  return types.map(([type]) => type).join(" ");
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

/** What `--help` prints; fits a screen of 24 lines and 80 columns. */
export function toolHelp({ program, format }: ToolStyle): string {
  const only = format === "map";
  const lines = [
    `usage: mta ${program} [options] [map_type:]file...`,
    ...wrapped(
      `Makes ${only ? "a lookup table" : "an alias table"} from a text file, or asks and changes one. ` +
        `Types: ${typesWith(true)}; only asked: ${typesWith(false)}.`,
    ),
    "  FILE         make the table anew; readers see the old one until it is whole",
    "  -i           add the entries on standard input to the table",
    "  -q KEY       print KEY's first value; -q - for each line of standard input",
    "  -d KEY       delete KEY from all tables; -d - for each line of standard input",
    "  -s           list the first table",
    "  -r  -w       a key that is there: replace it, or keep the first, silently",
    "  -f           do not fold keys to lower case",
    "  -N  -n       with, or without, a terminating NUL on keys and values",
    "  -o  -p       do not take over the source's owner (as root), its permissions",
    "  -u           keys are bytes: no UTF-8 checks, only A to Z are folded",
    ...(only
      ? [
        "  -F           values are names of files, whose content is stored (base64)",
        '  -h -b -m -U  with "-q -": header fields, body lines, MIME parts of a message',
        "               as keys; -U: they are UTF-8",
      ]
      : []),
    "  -c DIR       configuration directory; -v is ignored",
    '  --json       lines of JSON: {"key", "value", "table", "line"} for -q, {"key",',
    '               "value"} for -s, {"table", "deleted"} for -d, {"table", "file",',
    '               "records"} for a table made; errors {"program", "level", "text"}',
    `Exit status: 0 when done or found, 1 otherwise. See also ${program}(1).`,
  ];
  return `${lines.join("\n")}\n`;
}
