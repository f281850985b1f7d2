import { basename, dirname } from "node:path";
import { configurationDirectory } from "../../config/directory.ts";
import { ConfigurationFault, type Diagnostic, printDiagnostic } from "../../config/syntax/diagnostic.ts";
import { splitList } from "../../config/syntax/list.ts";
import { type LightConfiguration, readSettings } from "../../config/read_settings.ts";
import { realWorld } from "../../config/world.ts";
import { ownPid } from "../../platform/process/signals.ts";
import { isRoot } from "../../platform/process/effective_ids.ts";
import { type Complaints, SendmailFault } from "./_complaints.ts";

/** How sendmail was called, as far as it decides on the configuration. */
export interface ConfigurationCall {
  /** `-c` of mta, before the command. */
  readonly given: string | undefined;
  /** -C: a directory, or main.cf in it. */
  readonly named: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** main.cf as sendmail reads it; a fault in its words when that cannot be. */
export function readConfiguration(call: ConfigurationCall, complaints: Complaints): LightConfiguration {
  const { environment } = call;
  const { given, named } = call;
  const directory = named === undefined
    ? configurationDirectory(given, (name) => environment[name])
    : authorized(directoryOf(named), complaints);
  return read(directory, environment);
}

function read(
  directory: string,
  environment: Readonly<Record<string, string | undefined>>,
): LightConfiguration {
  try {
    return readSettings({ directory, world: realWorld(ownPid(), "sendmail"), environment });
  } catch (error) {
    throw error instanceof ConfigurationFault ? new SendmailFault(diagnosticsText(error.diagnostics)) : error;
  }
}

/** Where a setting cannot be used, or main.cf cannot be read: the ones who send mail are ordinary users. */
export function diagnosticsText(diagnostics: readonly Diagnostic[]): string {
  return diagnostics.map((each) =>
    each.text.endsWith("Permission denied")
      ? `${each.text} (whoever shall send mail must be able to read it)`
      : printDiagnostic(each)
  ).join("; ");
}

const directoryOf = (path: string): string => basename(path) === "main.cf" ? dirname(path) : path;

/** Another directory than the system's own must be one that its main.cf allows, for all but root (alternate_config_directories). */
function authorized(directory: string, complaints: Complaints): string {
  const own = configurationDirectory(undefined, () => undefined);
  if (directory === own || isRoot()) return directory;
  const { settings } = read(own, {});
  const allowed = splitList(
    `${settings.alternate_config_directories} ${settings.multi_instance_directories}`,
  );
  if (allowed.includes(directory)) return directory;
  complaints.say("error", `unauthorized configuration directory name: ${directory}`);
  throw new SendmailFault(
    `specify "alternate_config_directories = ${directory}" or "multi_instance_directories = ${directory}" in ${own}/main.cf`,
  );
}
