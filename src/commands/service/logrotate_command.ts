import type { ParameterName } from "../../config/parameters/settings_type.ts";
import { systemClock } from "../../base/clock.ts";
import type { LightConfiguration } from "../../config/read_settings.ts";
import { renameFile } from "../../platform/file/small_files.ts";
import { type CommandEnd, runCommand } from "../../platform/process/run_command.ts";
import { environment } from "../../platform/process/this_process.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import type { CommandContext } from "../command.ts";
import { ask, runningPid, type Say, settingsOf, speaker } from "../service_control.ts";

/** The parameters of postfix(1)'s logrotate. */
export const LOGROTATE_PARAMETERS = [
  "maillog_file",
  "maillog_file_compressor",
  "maillog_file_rotate_suffix",
] as const satisfies readonly ParameterName[];

const RELOAD_PATIENCE = 120_000;
/** Longest that workers of before a reload go on, and write to the old file; and how often it is asked for, in milliseconds. */
const [DRAINING, ASK_AGAIN] = [60_000, 100];
const DATE_PATIENCE = 10_000;
const COMPRESSOR_PATIENCE = 86_400_000;

/** `mta logrotate`: the log under another name, a new one begun, the old one compressed (postfix(1)). */
export async function logrotate(context: CommandContext): Promise<number> {
  const configuration = settingsOf(context, ["queue_directory", ...LOGROTATE_PARAMETERS]);
  if (configuration === undefined) return 1;
  const say = speaker(configuration);
  const { settings } = configuration;
  for (const name of LOGROTATE_PARAMETERS) {
    if (settings[name] === "") {
      return refuse(say, `empty '${name}' parameter value - logfile rotation failed`);
    }
  }
  const { maillog_file: file } = settings;
  if (file.startsWith("/dev/")) return refuse(say, `not rotating '${file}'`);
  try {
    await rotate(configuration, file);
    return 0;
  } catch (error) {
    return refuse(say, `logfile '${file}' rotation failed: ${systemErrorText(error)}`);
  }
}

function refuse(say: Say, why: string): number {
  say(`fatal: ${why}`);
  return 1;
}

async function rotate(configuration: LightConfiguration, file: string): Promise<void> {
  const { maillog_file_compressor: compressor, maillog_file_rotate_suffix: suffix } = configuration.settings;
  const old = `${file}.${await run(["date", `+${suffix}`], DATE_PATIENCE)}`;
  renameFile(file, old);
  if (runningPid(configuration) !== undefined) await writeToNewFile(configuration);
  await run([compressor, old], COMPRESSOR_PATIENCE);
}

/** No process of the service writes to the old file after this, so that the compressor loses no line. */
async function writeToNewFile(configuration: LightConfiguration): Promise<void> {
  const answer = await ask(configuration, "reload", {}, RELOAD_PATIENCE);
  if (answer.is !== "done") {
    throw new Error(answer.is === "down" ? "the service does not answer" : answer.why);
  }
  for (const end = systemClock.now() + DRAINING; systemClock.now() < end;) {
    const status = await ask(configuration, "status", {});
    if (status.is !== "done" || status.value.draining.length === 0) return;
    await new Promise<void>((resolve) => void systemClock.after(ASK_AGAIN, resolve));
  }
}

async function* noInput(): AsyncGenerator<Uint8Array> {}

/** What a program prints; throws an Error with its words when it fails. */
async function run(argv: readonly string[], timeLimit: number): Promise<string> {
  const [PATH, TZ] = [environment("PATH") ?? "/usr/bin:/bin", environment("TZ")];
  const end = await runCommand({
    argv,
    environment: { PATH, ...(TZ !== undefined && { TZ }) },
    directory: "/",
    timeLimit,
  }, noInput());
  if (end.is === "exit" && end.code === 0) return end.output.trim();
  throw new Error(`${argv[0]}: ${wordsOf(end)}`);
}

function wordsOf(end: CommandEnd): string {
  switch (end.is) {
    case "not started":
      return end.why;
    case "time limit":
      return "time limit exceeded";
    case "signal":
      return `killed by signal ${end.signal}`;
    case "exit":
      return end.output.trim() || `exit status ${end.code}`;
  }
}
