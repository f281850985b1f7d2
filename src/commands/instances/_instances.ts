import { resolve } from "node:path";
import type { ParameterName } from "../../config/parameters/settings_type.ts";
import { splitList } from "../../config/syntax/list.ts";
import type { LightConfiguration } from "../../config/read_settings.ts";
import type { CommandContext } from "../command.ts";
import { directoryOf, settingsOf } from "../service_control.ts";

/** The parameters of an instance, and of what is done with all of them (postmulti(1)). */
export const INSTANCE_PARAMETERS = [
  "command_directory",
  "daemon_directory",
  "multi_instance_directories",
  "multi_instance_enable",
  "multi_instance_group",
  "multi_instance_name",
  "multi_instance_wrapper",
  "postmulti_control_commands",
  "postmulti_start_commands",
  "postmulti_stop_commands",
] as const satisfies readonly ParameterName[];

/** A mail system of its own, with folders of its own. */
export interface Instance {
  readonly directory: string;
  /** "" for none. */
  readonly name: string;
  readonly group: string;
  readonly enabled: boolean;
  readonly primary: boolean;
  readonly queueDirectory: string;
  readonly dataDirectory: string;
}

/** Why the instances cannot be worked on, in postmulti(1)'s words. */
export class InstanceFault extends Error {
  override readonly name = "InstanceFault";
  constructor(why: string, readonly program = "postmulti") {
    super(why);
  }
}

/** All instances, the primary one first. Throws InstanceFault when one cannot be read, or two claim the same. */
export function loadInstances(context: CommandContext, primary: LightConfiguration): readonly Instance[] {
  const others = splitList(primary.settings.multi_instance_directories);
  const first = instanceOf(directoryOf(context), primary, true);
  const instances = [others.length === 0 ? { ...first, enabled: true } : first];
  for (const directory of others) instances.push(loadInstance(context, directory));
  refuseSharing(instances);
  return instances;
}

/** One instance by its directory. */
export function loadInstance(context: CommandContext, directory: string): Instance {
  const configuration = settingsOf({ ...context, configDirectory: directory }, [], "postmulti");
  if (configuration === undefined) throw new InstanceFault(`Cannot parse ${directory}/main.cf file`);
  return instanceOf(directory, configuration, false);
}

function instanceOf(directory: string, { settings }: LightConfiguration, primary: boolean): Instance {
  return {
    directory: resolve(directory),
    name: settings.multi_instance_name,
    group: settings.multi_instance_group,
    enabled: settings.multi_instance_enable,
    primary,
    queueDirectory: settings.queue_directory,
    dataDirectory: settings.data_directory,
  };
}

/** What two instances would share. */
export function conflict(directory: string, parameter: string, value: string, owner: string): string {
  return `instance ${directory}, ${parameter}=${value} conflicts with instance ${owner}=${value}`;
}

/** What must be each instance's own. */
export function refuseSharing(instances: readonly Instance[]): void {
  const claims = new Map<string, string>();
  for (const { directory, name, queueDirectory, dataDirectory } of instances) {
    const own = [
      ["multi_instance_name", name],
      ["config_directory", directory],
      ["queue_directory", queueDirectory],
      ["data_directory", dataDirectory],
    ] as const;
    for (const [parameter, value] of own) {
      if (value === "") continue;
      const [claim, owner] = [`${directory}, ${parameter}`, claims.get(value)];
      if (owner !== undefined && owner !== claim) {
        throw new InstanceFault(conflict(directory, parameter, value, owner));
      }
      claims.set(value, claim);
    }
  }
}
