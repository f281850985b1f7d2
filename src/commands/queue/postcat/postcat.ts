import { writeErr, writeOut } from "../../../platform/process/this_process.ts";
import { printable } from "../../../base/printable.ts";
import type { CommandContext } from "../../command.ts";
import { getopt } from "../../getopt.ts";
import { settingsOf } from "../../service_control.ts";
import { catFile, catStandardInput } from "./_cat_file.ts";
import { catMessage } from "./_cat_message.ts";
import { PostcatFault } from "./_postcat_fault.ts";
import type { PostcatView } from "./_postcat_text.ts";
import { StreamOut } from "../stream_out.ts";

const USAGE = "[-b (body text)] [-c config_dir] [-d (decimal record type)] [-e (envelope records)] " +
  "[-h (header text)] [-q (access queue)] [-v] [file(s)...]";

const HELP = `usage: mta [-c config_dir] postcat [-bdehoqrv] [-s offset] [file...]

show what is in the queue: with -q by queue id; without, files of Postfix's

  -e -h -b    only the envelope, the header, the body: those that are named
  -q          the words are queue ids
  -o -d       with the offset, the type of each record
  -r -s N     a file's records as they lie, from offset N on
  -v          name the text records too, show padding and pointers
`;

const LETTERS = "bc:dehoqrs:v";

/** `mta postcat` (postcat(1)). */
export async function postcat(context: CommandContext): Promise<number> {
  if (context.args[0] === "--help") return (writeOut(HELP), 0);
  const given = getopt(context.args, LETTERS);
  if (given.is === "bad") {
    writeErr(`${context.name}: ${given.why}\n`);
    return fatal(context.name, `usage: ${context.name} ${USAGE}`);
  }
  const has = (letter: string) => given.options.some((option) => option.letter === letter);
  const last = (letter: string) => given.options.findLast((option) => option.letter === letter)?.argument;
  const offset = given.options.map(({ letter, argument = "" }) => letter === "s" ? argument : "0");
  const bad = offset.find((each) => !/^\d+$/.test(each));
  if (bad !== undefined) return fatal(context.name, `bad offset: ${bad}`);
  const all = !has("e") && !has("h") && !has("b");
  const view: PostcatView = {
    envelope: all || has("e"),
    header: all || has("h"),
    body: all || has("b"),
    offsets: has("o"),
    types: has("d"),
    verbose: has("v"),
    raw: has("r"),
  };
  const configDirectory = last("c");
  const called = { ...context, ...(configDirectory !== undefined && { configDirectory }) };
  const configuration = settingsOf(called, ["queue_directory"], context.name);
  if (configuration === undefined) return 1;
  const out = new StreamOut();
  const work = { program: context.name, view, out, configuration, from: Number(last("s") ?? 0) };
  try {
    if (given.rest.length === 0) catStandardInput(work);
    for (const name of given.rest) {
      if (out.signal.aborted) break;
      if (has("q")) await catMessage(work, name);
      else catFile(work, name);
    }
    out.flush();
    return 0;
  } catch (error) {
    out.flush();
    if (!(error instanceof PostcatFault)) throw error;
    return fatal(context.name, error.message);
  }
}

function fatal(program: string, why: string): number {
  writeErr(`${program}: fatal: ${printable(why)}\n`);
  return 1;
}
