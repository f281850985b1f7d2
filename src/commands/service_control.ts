import { resolve } from "node:path";
import { ConfigurationFault, printDiagnostic } from "../config/syntax/diagnostic.ts";
import { configurationDirectory } from "../config/directory.ts";
import { type LightConfiguration, readSettings } from "../config/read_settings.ts";
import { realWorld } from "../config/world.ts";
import { askService, type ControlAnswer } from "../master/control/control_client.ts";
import type { ArgsOf } from "../master/control/control_verbs.ts";
import { pidFile } from "../master/pid_file.ts";
import { lockHolder } from "../platform/file/lock/lock_holder.ts";
import { environment, environmentVariables, writeErr } from "../platform/process/this_process.ts";
import { ownPid } from "../platform/process/signals.ts";
import type { CommandContext } from "./command.ts";

/** Says a line as postfix-script says it. */
export type Say = (text: string) => void;

/** For an instance, by its syslog_name. */
export function speaker({ settings }: Pick<LightConfiguration, "settings">): Say {
  return (text) => writeErr(`${settings.syslog_name}/postfix-script: ${text}\n`);
}

/** The configuration directory of a command, absolute. */
export function directoryOf({ configDirectory }: CommandContext): string {
  return resolve(configurationDirectory(configDirectory, environment));
}

/** main.cf of the command's configuration directory; undefined, with the reasons printed, when it or what is needed of it cannot be read. */
export function settingsOf(
  context: CommandContext,
  needed: readonly (keyof LightConfiguration["settings"])[] = ["queue_directory"],
  program = "postfix",
): LightConfiguration | undefined {
  try {
    const configuration = readSettings({
      directory: directoryOf(context),
      world: realWorld(ownPid(), "postfix"),
      environment: environmentVariables(),
    });
    for (const name of needed) void configuration.settings[name];
    return configuration;
  } catch (error) {
    if (!(error instanceof ConfigurationFault)) throw error;
    for (const each of error.diagnostics) writeErr(`${program}: ${each.level}: ${printDiagnostic(each)}\n`);
    return undefined;
  }
}

/** Process id of the running service, 0 when it runs but does not tell us, undefined when it is down. */
export function runningPid({ settings }: Pick<LightConfiguration, "settings">): number | undefined {
  try {
    return lockHolder(pidFile(settings));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return 0;
    throw error;
  }
}

/** Asks the running service of a configuration something that needs no more words. */
export function ask<V extends SimpleVerb>(
  { settings }: Pick<LightConfiguration, "settings">,
  verb: V,
  args: ArgsOf<V>,
  timeout?: number,
): Promise<ControlAnswer<V>> {
  const { queue_directory: queueDirectory } = settings;
  return askService({ queueDirectory, verb, args, ...(timeout !== undefined && { timeout }) });
}

type SimpleVerb = "status" | "reload" | "stop" | "abort" | "flush" | "acme" | "acme_renew";

/** Prints why a question failed, as a fatal line; answers the exit status. */
export function failed(
  answer: { readonly is: "down" } | { readonly is: "fault"; readonly why: string },
  { settings }: Pick<LightConfiguration, "settings">,
): number {
  const say = speaker({ settings });
  say(`fatal: ${answer.is === "down" ? "the Postfix mail system is not running" : answer.why}`);
  return 1;
}
