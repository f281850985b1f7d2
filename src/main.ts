import { wrapLine } from "./base/wrap.ts";
import type { CommandRow } from "./commands/command.ts";
import { COMMANDS } from "./commands/command_rows.ts";
import { calledAs, exit, programArguments, writeErr, writeOut } from "./platform/process/this_process.ts";

const GROUPS = ["service", "tables", "queue", "mail", "configuration"] as const;

const CALL = "usage: mta [-c config_dir] [-v] COMMAND [arguments]\n";
const MORE = "COMMAND --help says more. By a link (postmap -> mta) it is that command.\n";

/** The commands of each group that are listed. */
function grouped(): (readonly [
  group: string,
  rows: readonly (readonly [name: string, row: CommandRow])[],
])[] {
  return GROUPS.map((group) =>
    [group, Object.entries(COMMANDS).filter(([, row]) => row.group === group && !row.hidden)] as const
  ).filter(([, rows]) => rows.length > 0);
}

/** All names, on one screen. */
function usage(): string {
  const lines = grouped().flatMap(([group, rows]) =>
    wrapLine(`  ${group.padEnd(15)}${rows.map(([name]) => name).join(" ")}`, 78, 17).map((line) =>
      `${line}\n`
    )
  );
  return `${CALL}${lines.join("")}"mta help" says what each is for.\n${MORE}`;
}

/** All names, and what each is for. */
function help(): string {
  const rows = grouped().map(([group, rows]) =>
    `${group}\n${rows.map(([name, row]) => `  ${name.padEnd(15)} ${row.summary}`).join("\n")}\n`
  );
  return `${CALL}${rows.join("")}${MORE}`;
}

/** What this program is started as by itself. */
async function internal(name: string | undefined): Promise<(() => Promise<number>) | undefined> {
  if (name === "--worker") return (await import("./worker/run_worker.ts")).runWorker;
  if (name === "--helper") return (await import("./master/helper/helper.ts")).runHelper;
  if (name === "--acme") return (await import("./master/acme/run_acme.ts")).runAcme;
  if (name === "--spawn") return (await import("./master/spawn/spawn_process.ts")).runSpawn;
  if (name === "--connection") return (await import("./master/spawn/await_connection.ts")).runConnection;
  return undefined;
}

/** A simple command's own help, or its refusal of words it does not know: the exit status, undefined to go on. */
function answerOptions(name: string, row: CommandRow, args: readonly string[]): number | undefined {
  const { options, summary } = row;
  if (options === undefined) return undefined;
  const lines = Object.entries(options).map(([option, what]) => `  ${option.padEnd(12)} ${what}\n`);
  const words = Object.keys(options).map((option) => ` [${option}]`).join("");
  const help = `usage: mta [-c config_dir] ${name}${words}\n\n${summary}\n${lines.length > 0 ? "\n" : ""}${
    lines.join("")
  }`;
  if (args.some((arg) => arg === "--help" || arg === "-h")) return (writeOut(help), 0);
  const unknown = args.find((arg) => !(arg in options));
  if (unknown === undefined) return undefined;
  writeErr(`mta ${name}: fatal: unknown argument: "${unknown}"\n${help}`);
  return 1;
}

interface Called {
  readonly name: string | undefined;
  readonly configDirectory: string | undefined;
  readonly verbose: number;
  readonly args: readonly string[];
}

/** Takes `mta`'s own options off; a link's name is the command, and every argument is the command's. */
function parseCall(link: string, args: readonly string[]): Called {
  if (Object.hasOwn(COMMANDS, link)) return { name: link, configDirectory: undefined, verbose: 0, args };
  let configDirectory: string | undefined;
  let verbose = 0;
  let at = 0;
  for (; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === "-c") configDirectory = args[++at];
    else if (arg.startsWith("-c") && arg.length > 2) configDirectory = arg.slice(2);
    else if (/^-v+$/.test(arg)) verbose += arg.length - 1;
    else break;
  }
  return { name: args[at], configDirectory, verbose, args: args.slice(at + 1) };
}

/** Runs the command of a name, which may hand over to another. */
async function runCommand(
  { name, configDirectory, verbose, args }: Called & { name: string },
): Promise<number> {
  const row = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (row === undefined) {
    writeErr(`mta: fatal: unknown command: "${name}". Try "mta --help".\n`);
    return 1;
  }
  const answered = answerOptions(name, row, args);
  if (answered !== undefined) return answered;
  const command = await row.load();
  return await command({
    name,
    configDirectory,
    verbose,
    args,
    run: (other) => runCommand({ configDirectory, verbose, ...other }),
  });
}

async function main(): Promise<number> {
  const called = parseCall(calledAs(), programArguments());
  const { name } = called;
  if (name === undefined) return (writeErr(usage()), 1);
  if (name === "--help" || name === "-h") return (writeOut(usage()), 0);
  if (name === "help") return (writeOut(help()), 0);
  const role = await internal(name);
  if (role !== undefined) return await role();
  return await runCommand({ ...called, name: name === "--version" ? "version" : name });
}

exit(await main());
