import type { LightConfiguration } from "../../config/read_settings.ts";
import { splitList } from "../../config/syntax/list.ts";
import { isReadableFile } from "../../platform/file/small_files.ts";
import type { CommandContext } from "../command.ts";
import { directoryOf, runningPid, settingsOf } from "../service_control.ts";
import { conflict, type Instance, InstanceFault, loadInstance, refuseSharing } from "./_instances.ts";
import { isSelected, NAME_PREFIX, type Selection } from "./_selection.ts";

/** A new name or group; "" takes it away, undefined leaves it. */
export interface Assignment {
  readonly name: string | undefined;
  readonly group: string | undefined;
}

/** A change of the set of instances. */
export interface Edit {
  readonly context: CommandContext;
  readonly primary: LightConfiguration;
  readonly instances: readonly Instance[];
  readonly selection: Selection;
  readonly assignment: Assignment;
  /** `name=value` behind the options. */
  readonly words: readonly string[];
}

/** What `-e` can do; each answers the exit status. */
export const EDITS: Readonly<Record<string, (edit: Edit) => Promise<number>>> = {
  create: () => notHere("create", 'make the directory with a main.cf and a master.cf, then use "-e import"'),
  destroy: () => notHere("destroy", 'use "-e deport", then remove the folders of the instance'),
  import: importInstance,
  deport,
  enable: (edit) => setFor(edit, ["multi_instance_enable = yes"]),
  disable: (edit) => setFor(edit, ["multi_instance_enable = no"]),
  assign: (edit) => setFor(edit, assignedIn(edit.assignment)),
  init: ({ context }) =>
    postconf(context, directoryOf(context), [
      "multi_instance_wrapper = ${command_directory}/postmulti -p --",
      "multi_instance_enable = yes",
    ]),
};

function notHere(action: string, instead: string): never {
  throw new InstanceFault(`-e ${action}: not available: ${instead}`);
}

async function postconf(
  { run }: CommandContext,
  directory: string,
  settings: readonly string[],
): Promise<number> {
  return settings.length === 0 ? 0 : await run({
    name: "postconf",
    args: ["-c", directory, "-e", ...settings],
    configDirectory: directory,
  });
}

function assignedIn({ name, group }: Assignment): string[] {
  return [
    ...name === undefined ? [] : [`multi_instance_name = ${name}`],
    ...group === undefined ? [] : [`multi_instance_group = ${group}`],
  ];
}

async function setFor(edit: Edit, settings: readonly string[]): Promise<number> {
  const instance = selectedIn(edit);
  refuseNames(edit, instance.directory);
  return await postconf(edit.context, instance.directory, settings);
}

function selectedIn({ instances, selection, primary }: Edit): Instance {
  if (selection.is !== "name") throw new InstanceFault("Select an instance via '-i name'");
  const found = instances.find((each) => isSelected(selection, each));
  if (found === undefined) throw new InstanceFault(`No instance named ${selection.name}`);
  requireInit(primary);
  return found;
}

function requireInit({ settings }: LightConfiguration): void {
  const refuse = (why: string) => {
    throw new InstanceFault(
      `${why}, run 'postmulti -e init' first.`,
      `${settings.syslog_name}/postmulti-script`,
    );
  };
  if (settings.multi_instance_wrapper === "") refuse("multi_instance_wrapper is empty");
  if (!settings.multi_instance_enable) refuse("multi_instance_enable!=yes");
}

function refuseNames({ instances, assignment: { name = "" } }: Edit, directory: string): void {
  if (name === "") return;
  if (!/^[A-Za-z0-9_.-]+$/.test(name)) {
    throw new InstanceFault(`Unsafe characters in new instance name: '${name}'`);
  }
  if (!name.startsWith(NAME_PREFIX)) {
    throw new InstanceFault(`New instance name must start with '${NAME_PREFIX}'`);
  }
  const owner = instances.find((each) => each.name === name && each.directory !== directory);
  if (owner !== undefined) {
    throw new InstanceFault(
      conflict(directory, "multi_instance_name", name, `${owner.directory}, multi_instance_name`),
    );
  }
}

async function importInstance(edit: Edit): Promise<number> {
  const { context, primary, instances, selection, assignment } = edit;
  const directory = directoryIn(edit);
  refuseNames(edit, directory);
  const owner = instances.find((each) => each.directory === directory);
  if (owner !== undefined) {
    throw new InstanceFault(
      `new config_directory=${directory} is already in use by instance ${owner.directory}, config_directory=${directory}`,
    );
  }
  requireInit(primary);
  for (const file of ["main.cf", "master.cf"]) {
    if (!isReadableFile(`${directory}/${file}`)) {
      throw new InstanceFault(`'${directory}' lacks a ${file} file`);
    }
  }
  refuseSharing([...instances, loadInstance(context, directory)]);
  const others = instances.filter((each) => !each.primary);
  const at = selection.is === "none"
    ? others.length
    : others.findIndex((each) => isSelected(selection, each));
  if (at < 0 && selection.is !== "all") throw new InstanceFault("No matching secondary instances");
  const directories = others.map((each) => each.directory).toSpliced(Math.max(at, 0), 0, directory);
  return await postconf(context, directory, assignedIn(assignment)) ||
    await postconf(context, directoryOf(context), [
      `multi_instance_directories = ${directories.join(" ")}`,
      ...alternates(primary, (each) => each.filter((one) => one !== directory)),
    ]);
}

/** `config_directory=/path`, or beside the primary instance's by the new name. */
function directoryIn({ context, words, assignment: { name } }: Edit): string {
  let directory: string | undefined;
  for (const word of words) {
    const [, parameter, value] = /^\s*(\w+)\s*=\s*(.*?)\/*\s*$/.exec(word) ?? [];
    if (parameter === undefined) throw new InstanceFault(`Malformed parameter setting '${word}'`);
    if (parameter !== "config_directory") {
      throw new InstanceFault(`Parameter '${parameter}' not valid with action import`);
    }
    if (!value!.startsWith("/")) {
      throw new InstanceFault(`Parameter setting '${word}' is not an absolute path`);
    }
    directory = value;
  }
  if (directory !== undefined) return directory;
  if (name === undefined || name === "") throw new InstanceFault("Missing config_directory parameter value");
  return directoryOf(context).replace(/[^/]*\/*$/, name);
}

async function deport(edit: Edit): Promise<number> {
  const { context, primary, instances } = edit;
  const instance = selectedIn(edit);
  if (instance.primary) throw new InstanceFault("Cannot remove the primary instance");
  if (instance.enabled) throw new InstanceFault("Cannot remove enabled instances");
  const { directory } = instance;
  const configuration = settingsOf({ ...context, configDirectory: directory }, [], "postmulti");
  if (configuration !== undefined && runningPid(configuration) !== undefined) {
    throw new InstanceFault(`Instance '${directory}' is not stopped`);
  }
  const left = instances.filter((each) => !each.primary && each !== instance).map((each) => each.directory);
  return await postconf(context, directoryOf(context), [
    `multi_instance_directories = ${left.join(" ")}`,
    ...alternates(primary, (each) => [...new Set([...each, directory])]),
  ]);
}

function alternates({ settings }: LightConfiguration, change: (directories: string[]) => string[]): string[] {
  const before = splitList(settings.alternate_config_directories);
  const after = change(before);
  return before.join(" ") === after.join(" ") ? [] : [`alternate_config_directories = ${after.join(" ")}`];
}
