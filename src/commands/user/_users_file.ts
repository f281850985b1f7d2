import { openTable, tableType } from "../../table/table_types.ts";
import type { Table } from "../../table/table.ts";
import { splitList } from "../../config/syntax/list.ts";
import type { LightConfiguration } from "../../config/read_settings.ts";
import { createEmptyFile } from "../../platform/file/empty_file.ts";
import { readSmallFile, replaceFile } from "../../platform/file/small_files.ts";
import { exists, sourceOwner } from "../../platform/file/source_file.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { writeErr } from "../../platform/process/this_process.ts";
import { isRoot } from "../../platform/process/effective_ids.ts";
import { userByName } from "../../platform/process/users.ts";
import { postmap } from "../table/postmap.ts";
import { UserFault } from "./_fault.ts";
import { withUser } from "./_users_text.ts";

/** The file that `sasl_users` names, and what is made of it. */
export interface UsersFile {
  /** `texthash:/etc/postfix/users`. */
  readonly spec: string;
  readonly path: string;
  /** An index beside it has to be made anew after each change. */
  readonly indexed: boolean;
}

/** The first file of `sasl_users`; what stands in databases is changed there. */
export function usersFile({ settings, directory }: LightConfiguration): UsersFile {
  const specs = splitList(settings.sasl_users);
  for (const spec of specs) {
    const colon = spec.indexOf(":");
    const [type, name] = [spec.slice(0, colon), spec.slice(colon + 1)];
    const indexed = tableType(type)?.index !== undefined;
    if (!indexed && type !== "texthash") continue;
    const path = name.startsWith("/") ? name : `${directory}/${name}`;
    return { spec: `${type}:${path}`, path, indexed };
  }
  throw new UserFault(
    specs.length === 0
      ? "sasl_users is empty: set it to a file, as texthash:$config_directory/users"
      : `sasl_users = ${settings.sasl_users} has no file: change users where they are kept`,
  );
}

/** The table of the file, for questions. */
export function openUsersFile(file: UsersFile, configuration: LightConfiguration): Table {
  return openTable(file.spec, {
    directory: configuration.directory,
    parameter: (name) => configuration.parameter(name),
    warn: () => {},
    clock: Date.now,
  });
}

/** The file's bytes; none when there is no file yet. */
export function usersText({ path }: UsersFile): Buffer {
  try {
    return exists(path) ? Buffer.from(readSmallFile(path)) : Buffer.alloc(0);
  } catch (error) {
    throw new UserFault(`open ${path}: ${systemErrorText(error)}`);
  }
}

/**
 * Changes a user in the file, whole or not at all. `judge` sees the text as it is while nobody else changes it, and may say why it is not
 * to be changed. Makes the file where there is none, for its owner and the service alone.
 */
export async function changeUser(
  file: UsersFile,
  configuration: LightConfiguration,
  name: string,
  value: string | undefined,
  judge: (text: Buffer) => string | undefined,
): Promise<void> {
  let refusal: string | undefined;
  try {
    if (!exists(file.path)) {
      refusal = judge(Buffer.alloc(0));
      if (refusal !== undefined) throw new UserFault(refusal);
      createEmptyFile(file.path, 0o640, ownerOf(configuration));
    }
    warnOfReaders(file.path);
    replaceFile(file.path, ".tmp", (old) => {
      const text = Buffer.from(old);
      refusal = judge(text);
      return refusal === undefined ? withUser(text, name, value) : text;
    });
  } catch (error) {
    if (error instanceof UserFault) throw error;
    throw new UserFault(`change ${file.path}: ${systemErrorText(error)}`);
  }
  if (refusal !== undefined) throw new UserFault(refusal);
  if (file.indexed) await makeIndex(file, configuration);
}

/** A hash that everybody may read is one that everybody may guess at. */
function warnOfReaders(path: string): void {
  if ((sourceOwner(path).mode & 0o007) === 0) return;
  writeErr(`mta user: warning: everybody may read ${path}: chmod o-rwx ${path}\n`);
}

/** The service's group may read what root writes. */
function ownerOf({ settings }: LightConfiguration): { uid: number; gid: number } | undefined {
  if (!isRoot()) return undefined;
  const owner = userByName(settings.mail_owner);
  return owner === undefined ? undefined : { uid: 0, gid: owner.gid };
}

async function makeIndex({ spec }: UsersFile, { directory }: LightConfiguration): Promise<void> {
  const status = await postmap({
    name: "postmap",
    configDirectory: directory,
    verbose: 0,
    args: ["-c", directory, spec],
  });
  if (status !== 0) throw new UserFault(`${spec} could not be made anew: what it answers is out of date`);
}
