import { splitList } from "../../config/syntax/list.ts";
import type { LightConfiguration } from "../../config/read_settings.ts";
import { ownCommand } from "../../platform/process/spawn.ts";
import { runInForeground } from "../../platform/process/run_in_foreground.ts";
import { environmentVariables, writeErr } from "../../platform/process/this_process.ts";
import { type Instance, InstanceFault } from "./_instances.ts";

/** How instances are gone over by a command of postfix(1). */
interface Order {
  readonly reverse: boolean;
  readonly disabled: "run" | "skip" | "check";
}

/** A start checks what is not enabled, a stop goes backwards, and both a stop and a reload leave out what is not enabled. */
function orderOf(command: string, { settings }: LightConfiguration): Order {
  const isIn = (list: string) => splitList(list).includes(command);
  if (isIn(settings.postmulti_start_commands)) return { reverse: false, disabled: "check" };
  if (isIn(settings.postmulti_stop_commands)) return { reverse: true, disabled: "skip" };
  return { reverse: false, disabled: isIn(settings.postmulti_control_commands) ? "skip" : "run" };
}

/** Runs a command of postfix(1) for each instance; exit status 1 when one of them failed. */
export async function postfixForEach(
  words: readonly string[],
  instances: readonly Instance[],
  primary: LightConfiguration,
): Promise<number> {
  const { reverse, disabled } = orderOf(words[0] ?? "", primary);
  const some = instances.filter(({ enabled }) => enabled || disabled !== "skip");
  const own = ownCommand();
  return await forEach(reverse ? some.toReversed() : some, (instance) => {
    const command = !instance.enabled && disabled === "check" ? ["check", ...words.slice(1)] : words;
    return runInForeground(
      [own.program, ...own.args, "-c", instance.directory, "postfix", "--", ...command],
      { ...environmentVariables(), MAIL_CONFIG: instance.directory },
    );
  });
}

/** Runs any command for each instance, with an environment that tells of it. */
export async function commandForEach(
  argv: readonly string[],
  instances: readonly Instance[],
  { settings }: LightConfiguration,
): Promise<number> {
  const { command_directory: commands, daemon_directory: daemons } = settings;
  return await forEach(instances, (instance) => {
    const environment = environmentVariables();
    return runInForeground(argv, {
      ...environment,
      MAIL_CONFIG: instance.directory,
      PATH: `${commands}:${environment.PATH ?? "/usr/bin:/bin"}`,
      command_directory: commands,
      daemon_directory: daemons,
      config_directory: instance.directory,
      queue_directory: instance.queueDirectory,
      data_directory: instance.dataDirectory,
      multi_instance_name: instance.name,
      multi_instance_group: instance.group,
      multi_instance_enable: instance.enabled ? "yes" : "no",
    });
  });
}

async function forEach(
  instances: readonly Instance[],
  run: (instance: Instance) => ReturnType<typeof runInForeground>,
): Promise<number> {
  if (instances.length === 0) throw new InstanceFault("No matching instances");
  let status = 0;
  for (const instance of instances) {
    const ended = await run(instance);
    if (typeof ended !== "number") writeErr(`postmulti: fatal: execvp: ${ended.why}\n`);
    if (ended !== 0) status = 1;
  }
  return status;
}
