import { join } from "node:path";
import { systemClock } from "../base/clock.ts";
import type { Configuration } from "../config/service.ts";
import { realWorld } from "../config/world.ts";
import { hostName, processorCount } from "../platform/host.ts";
import { closeDescriptor, openListeningSocket } from "../platform/socket/inherited_sockets.ts";
import { environmentVariables } from "../platform/process/this_process.ts";
import { bytesToLend } from "../platform/file/lendable.ts";
import { fileIdentity } from "../platform/file/random_access_file.ts";
import { raiseOpenFiles } from "../platform/process/rlimit.ts";
import { ownPid } from "../platform/process/signals.ts";
import type { Identity } from "../platform/process/spawn.ts";
import { spawnSelf } from "../platform/socket/child.ts";
import {
  closeFile,
  isEmptyFolder,
  makeFolder,
  ownerOf,
  removeIfThere,
  setMode,
} from "../platform/file/system_path.ts";
import { openUnixListener } from "../platform/socket/unix_listener.ts";
import { chown, ownIds, userByName } from "../platform/process/users.ts";
import { LARGEST_LOAN } from "./lending/lent_files.ts";
import type { MasterWorld } from "./master_world.ts";

/** Our own folder below queue_directory: the shards. */
export function shardsFolder(queueDirectory: string): string {
  return join(queueDirectory, "mta");
}

/** A folder that must be ours (root's, or the only user's); made when absent. */
function needFolder(path: string, parameter: string): void {
  try {
    makeFolder(path, 0o755);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === "EACCES" || code === "EROFS" || code === "EPERM"
      ? "it cannot be made here"
      : (error as Error).message;
    throw new Error(`${parameter} ${path}: ${why}; set ${parameter} in main.cf to a folder of your own`, {
      cause: error,
    });
  }
}

/** A folder that must be the workers'. */
function giveFolder(path: string, parameter: string, identity: Identity | undefined): void {
  let made: boolean;
  try {
    made = makeFolder(path, 0o700);
  } catch (error) {
    throw new Error(`${parameter}: cannot make ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (identity === undefined) return;
  const owner = ownerOf(path);
  if (owner?.uid === identity.uid) return;
  if (made || isEmptyFolder(path)) return chown(path, identity.uid, identity.gid);
  throw new Error(
    `${parameter}: ${path} belongs to user id ${owner?.uid}, not to mail_owner (${identity.uid}); ` +
      `put it right with: chown -R ${identity.uid}:${identity.gid} ${path}`,
  );
}

/** Makes queue_directory, data_directory and what is in them; throws an Error that names path, parameter and remedy. */
export function prepareDirectories({ settings }: Configuration, identity: Identity | undefined): void {
  needFolder(settings.queue_directory, "queue_directory");
  giveFolder(shardsFolder(settings.queue_directory), "queue_directory", identity);
  giveFolder(settings.data_directory, "data_directory", identity);
}

/** Root's own, so that nobody can put something else in a socket's place; only mail_owner's group may enter. */
function prepareHelperFolder(path: string, gid: number): void {
  makeFolder(path, 0o710);
  chown(path, 0, gid);
  setMode(path, 0o710);
}

/** The machine, for master. */
export function masterWorld(): MasterWorld {
  const { uid, gid } = ownIds();
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
    prepareDirectories,
    prepareHelperFolder,
    openHelperSocket(path) {
      removeIfThere(path);
      return openUnixListener(path, 128);
    },
    closeHelperSocket(fd, path) {
      closeDescriptor(fd);
      removeIfThere(path);
    },
    closeFile,
    identityOf: fileIdentity,
    bytesToLend: (path, reader) => bytesToLend(path, reader, LARGEST_LOAN),
    after: (milliseconds, call) => systemClock.after(milliseconds, call),
    now: () => systemClock.now(),
  };
}
