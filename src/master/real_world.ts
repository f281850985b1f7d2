import { systemClock } from "../base/clock.ts";
import { join } from "node:path";
import type { Configuration, Service } from "../config/service.ts";
import { realWorld } from "../config/world.ts";
import { hostName, processorCount } from "../platform/host.ts";
import { caFiles } from "../platform/socket/certificate_authorities.ts";
import { closeDescriptor, openListeningSocket } from "../platform/socket/inherited_sockets.ts";
import { environmentVariables } from "../platform/process/this_process.ts";
import { bytesToLend, isOutOfReach } from "../platform/file/lendable.ts";
import { PrivateState } from "../platform/file/private_state.ts";
import { giveFolder as give, needFolder as need, shareFolder } from "../platform/file/folder/own_folder.ts";
import { DROP_FOLDER_MODE, dropFolder } from "../pickup/drop/drop_folder.ts";
import { systemErrorText } from "../platform/system_error.ts";
import { fileIdentity } from "../platform/file/random_access_file.ts";
import { raiseOpenFiles } from "../platform/process/rlimit.ts";
import { ownPid } from "../platform/process/signals.ts";
import type { Identity } from "../platform/process/spawn.ts";
import { storeFolder } from "../queue/file_store/open_store.ts";
import { spawnSelf } from "../platform/socket/child.ts";
import { closeFile } from "../platform/file/system_path.ts";
import { openQueueSocket } from "../platform/socket/queue_socket.ts";
import { openSocketFolder } from "../platform/socket/socket_folder.ts";
import { ownIds, userByName } from "../platform/process/users.ts";
import { DataLock } from "./data_lock.ts";
import { LARGEST_LOAN } from "./lending/lent_files.ts";
import type { MasterWorld } from "./master_world.ts";

/** A folder that must be ours (root's, or the only user's); made when absent. Answers a warning when others can change it. */
function needFolder(path: string, parameter: string): string | undefined {
  try {
    const warning = need(path, 0o755);
    return warning === undefined ? undefined : `${parameter}: ${warning}`;
  } catch (error) {
    throw new Error(
      `${parameter} ${path}: ${systemErrorText(error)}; set ${parameter} in main.cf to a folder of your own`,
      {
        cause: error,
      },
    );
  }
}

/** A folder that must be the workers'. */
function giveFolder(path: string, parameter: string, identity: Identity | undefined): void {
  let other: number | undefined;
  try {
    other = identity === undefined ? void need(path, 0o700) : give(path, identity);
  } catch (error) {
    throw new Error(`${parameter}: cannot make ${path}: ${systemErrorText(error)}`, { cause: error });
  }
  if (identity === undefined || other === undefined) return;
  throw new Error(
    `${parameter}: ${path} belongs to user id ${other}, not to mail_owner (${identity.uid}); ` +
      `put it right with: chown -R ${identity.uid}:${identity.gid} ${path}`,
  );
}

/** The folder of drops; without it all but local submission works. Answers why it is not as it should be. */
function openDropFolder(queueDirectory: string, owner: Identity | undefined): string | undefined {
  const path = dropFolder(queueDirectory);
  try {
    const other = shareFolder(path, { owner, mode: DROP_FOLDER_MODE });
    return other === undefined
      ? undefined
      : `${path} belongs to user id ${other} and is not empty, and nobody can submit mail with sendmail: move it away`;
  } catch (error) {
    return `cannot make ${path}: ${systemErrorText(error)}; nobody can submit mail with sendmail`;
  }
}

/**
 * Makes queue_directory, data_directory and what is in them, and answers warnings: somebody else can take it away, nobody can submit
 * mail. Throws an Error that names path, parameter and remedy.
 */
export function prepareDirectories(
  { settings, services }: Configuration,
  identity: Identity | undefined,
): readonly string[] {
  const warning = needFolder(settings.queue_directory, "queue_directory");
  giveFolder(storeFolder(settings.queue_directory), "queue_directory", identity);
  giveFolder(settings.data_directory, "data_directory", identity);
  if (services.some(hasPrivateSocket)) makePrivate(join(settings.queue_directory, "private"), identity);
  const shut = openDropFolder(settings.queue_directory, identity);
  return [warning, shut].filter((each) => each !== undefined);
}

/** Whether Dovecot is to put its socket where Postfix's programs have theirs. */
function hasPrivateSocket({ settings }: Service): boolean {
  return settings.smtpd_sasl_auth_enable && settings.smtpd_sasl_type === "dovecot" &&
    /^(?:unix:)?private\//.test(settings.smtpd_sasl_path);
}

/** Somebody else's folder stays as it is: who cannot reach the socket in it says so. */
function makePrivate(path: string, identity: Identity | undefined): void {
  try {
    if (identity === undefined) need(path, 0o700);
    else give(path, identity);
  } catch {
    // The same.
  }
}

function authoritiesIn(folder: string): readonly string[] {
  try {
    return caFiles(folder);
  } catch {
    return []; // who needs the folder says what is wrong with it
  }
}

/** The machine, for master. */
export function masterWorld(): MasterWorld {
  const { uid, gid } = ownIds();
  const dataLock = new DataLock();
  return {
    uid,
    gid,
    pid: ownPid(),
    world: realWorld(ownPid(), "master"),
    sockets: { open: openListeningSocket, close: closeDescriptor },
    hostName: hostName(),
    processors: processorCount(),
    environment: environmentVariables(),
    userByName,
    spawn: spawnSelf,
    raiseOpenFiles,
    prepareDirectories(configuration, identity) {
      const warnings = prepareDirectories(configuration, identity);
      dataLock.hold(configuration.settings.data_directory, identity);
      return warnings;
    },
    openSocketFolder,
    openQueueSocket,
    closeSocket: closeDescriptor,
    closeFile,
    identityOf: fileIdentity,
    authoritiesIn,
    bansIn: (directory) => new PrivateState(`${directory}/logins`, "bans"),
    bytesToLend: (path, reader) => bytesToLend(path, reader, LARGEST_LOAN),
    isOutOfReach,
    after: (milliseconds, call) => systemClock.after(milliseconds, call),
    now: () => systemClock.now(),
  };
}
