import { environment, writeErr, writeOut } from "../../platform/process/this_process.ts";
import type { LightConfiguration } from "../../config/read_settings.ts";
import type { CommandContext } from "../command.ts";
import { getopt, type GivenOption } from "../getopt.ts";
import { settingsOf } from "../service_control.ts";
import { type Assignment, EDITS } from "./_edit.ts";
import { type Instance, InstanceFault, loadInstances } from "./_instances.ts";
import { commandForEach, postfixForEach } from "./_iterate.ts";
import { isSelected, type Selection } from "./_selection.ts";

const SELECTING = "[-v] [-a] [-g group] [-i instance]";
const USAGE = `Usage:postmulti -l ${SELECTING} | postmulti -p ${SELECTING} command... | ` +
  "postmulti -x [-v] [-a] [-i name] [-g group] command... | postmulti -e action " +
  "[-v] [-a] [-i name] [-g group] [-I name] [-G group] [param=value ...]";

const HELP = `usage: mta [-c config_dir] postmulti -l|-p|-x|-e ACTION [options] [command ...]

the mail systems of this machine: the one of config_dir, and those in its
multi_instance_directories

  -l         list them: name, group, enabled, configuration directory
  -p COMMAND a command of postfix(1) for each: start, stop, status, ...
  -x COMMAND any command for each, MAIL_CONFIG and kin telling of it
  -e ACTION  init, enable, disable, assign, import or deport
  -a, -g GROUP, -i NAME
             all (default), those of a group, or one: name, directory or "-"
  -R         in reverse order
  -I NAME, -G GROUP
             a new name or group, with -e
`;

/** What is asked for. */
interface Asked {
  readonly mode: "l" | "p" | "x" | "e";
  readonly action: string;
  readonly selection: Selection;
  readonly reverse: boolean;
  readonly assignment: Assignment;
  readonly words: readonly string[];
}

/** `mta postmulti` (postmulti(1)). */
export async function postmulti(context: CommandContext): Promise<number> {
  if (context.args[0] === "--help") return (writeOut(HELP), 0);
  try {
    const primary = settingsOf(context, ["queue_directory"], "postmulti");
    if (primary === undefined) return 1;
    refuseOtherPrimary(context);
    return await carryOut(askedIn(context.args), context, primary);
  } catch (error) {
    if (!(error instanceof InstanceFault)) throw error;
    writeErr(`${error.program}: fatal: ${error.message}\n`);
    return 1;
  }
}

/** MAIL_CONFIG names an instance while postmulti(1) runs for all of them; the primary one has to be named on purpose. */
function refuseOtherPrimary({ configDirectory }: CommandContext): void {
  const named = environment("MAIL_CONFIG");
  if (configDirectory !== undefined || named === undefined || named === "" || named === "/etc/postfix") {
    return;
  }
  throw new InstanceFault(`Non-default configuration directory: MAIL_CONFIG=${named}`);
}

function askedIn(args: readonly string[]): Asked {
  const given = getopt(args, "ae:g:i:G:I:lpRvx");
  if (given.is === "bad") {
    writeErr(`postmulti: ${given.why}\n`);
    throw new InstanceFault(USAGE);
  }
  const { options, rest } = given;
  const unknown = options.find(({ letter, argument }) => letter === "e" && !Object.hasOwn(EDITS, argument!));
  if (unknown !== undefined) {
    const { argument } = unknown;
    throw new InstanceFault(
      `Invalid '-e' edit action '${argument}'. Specify 'create', 'destroy', 'import', 'deport', ` +
        "'enable', 'disable', 'assign' or 'init'",
    );
  }
  const assignment = { name: assigned(options, "I"), group: assigned(options, "G") };
  const selection = selectionOf(options);
  const reverse = options.filter(({ letter }) => letter === "R").length % 2 === 1;
  const asked: Asked = { ...modeOf(options), selection, reverse, assignment, words: rest };
  refuseOddWords(asked);
  return asked;
}

/** The one mode; it may be given more than once. */
function modeOf(options: readonly GivenOption[]): Pick<Asked, "mode" | "action"> {
  const modes = new Set<string>();
  let asked: Pick<Asked, "mode" | "action"> | undefined;
  for (const { letter, argument: action = "" } of options) {
    if (letter !== "l" && letter !== "p" && letter !== "x" && letter !== "e") continue;
    modes.add(`${letter} ${action}`);
    asked = { mode: letter, action };
  }
  if (asked !== undefined && modes.size === 1) return asked;
  throw new InstanceFault("Specify exactly one of '-e', '-l', '-p', '-x'");
}

function assigned(options: readonly GivenOption[], letter: "I" | "G"): string | undefined {
  const given = options.filter((each) => each.letter === letter);
  if (given.length > 1) throw new InstanceFault(`Specify at most one '-${letter}' option`);
  return given[0]?.argument === "-" ? "" : given[0]?.argument;
}

function selectionOf(options: readonly GivenOption[]): Selection {
  const given = options.filter(({ letter }, at) =>
    letter === "g" || letter === "i" ||
    (letter === "a" && options.findIndex((each) => each.letter === "a") === at)
  );
  if (given.length > 1) throw new InstanceFault("Specity no more than one of '-a', '-g', '-i'");
  const [one] = given;
  if (one === undefined) return { is: "none" };
  if (one.letter === "a") return { is: "all" };
  return { is: one.letter === "g" ? "group" : "name", name: one.argument! };
}

function refuseOddWords({ mode, action, reverse, assignment, words }: Asked): void {
  const fail = (why: string) => {
    throw new InstanceFault(why);
  };
  const assigns = assignment.name !== undefined || assignment.group !== undefined;
  if (mode === "l" && words.length > 0) fail("Command not allowed with '-l'");
  if ((mode === "p" || mode === "x") && words.length === 0) fail("Command required with '-p' or '-x' option");
  if ((mode === "p" || mode === "e") && reverse) fail("The '-p' and '-e' options preclude the use of '-R'");
  if (assigns && mode !== "e") fail("Cannot assign instance name or group without '-e assign'");
  if (mode !== "e") return;
  const isNew = action === "create" || action === "import";
  if (assigns && !isNew && action !== "assign") {
    fail(`Cannot assign instance name or group with '-e ${action}'`);
  }
  if (action === "assign" && !assigns) fail("Specify new instance name or group with '-e assign'");
  if (!isNew && words.length > 0) fail(`Parameter overrides not valid with '-e ${action}'`);
}

async function carryOut(
  { mode, action, selection, reverse, assignment, words }: Asked,
  context: CommandContext,
  primary: LightConfiguration,
): Promise<number> {
  const instances = loadInstances(context, primary);
  if (mode === "e") {
    return await EDITS[action]!({ context, primary, instances, selection, assignment, words });
  }
  const chosen: Selection = selection.is === "none" ? { is: "all" } : selection;
  const selected = instances.filter((each) => isSelected(chosen, each));
  const ordered = reverse ? selected.toReversed() : selected;
  if (mode === "l") return (writeOut(ordered.map(printInstance).join("")), 0);
  return mode === "p"
    ? await postfixForEach(words, ordered, primary)
    : await commandForEach(words, ordered, primary);
}

function printInstance({ name, group, enabled, directory }: Instance): string {
  return `${(name || "-").padEnd(15)} ${(group || "-").padEnd(15)} ${
    (enabled ? "y" : "n").padEnd(9)
  } ${directory}\n`;
}
