import fs from "node:fs";
import { basename, dirname } from "node:path";
import { asOwner } from "../../process/effective_ids.ts";
import { errorCode } from "../../system_error.ts";
import { type HeldFolder, holdFolder } from "../folder/held_folder.ts";
import {
  type FileOwner,
  MailFileFault,
  mailFileFault,
  syncFile,
  syncFolder,
  writeFully,
} from "../mail_files.ts";
import { tryLock } from "../lock/record_lock.ts";
import { usersWay } from "../folder/walk_rules.ts";
import { createFile, type OpenedFile, openExisting } from "../safe_open.ts";

/** How a mailbox file is locked and bounded (mailbox_delivery_lock, deliver_lock_*, mailbox_size_limit). */
export interface AppendOptions {
  readonly owner: FileOwner;
  readonly locks: readonly ("fcntl" | "flock" | "dotlock")[];
  readonly lockAttempts: number;
  /** Milliseconds. */
  readonly lockDelay: number;
  /** A dotlock file older than this many milliseconds is taken away. */
  readonly staleLock: number;
  /** Most bytes of the file, 0 = no limit. */
  readonly sizeLimit: number;
  /** The file must belong to the owner (strict_mailbox_ownership). */
  readonly strictOwner: boolean;
  /** Deliveries to /file/name: the dotlock is a courtesy, devices are welcome, and programs are left alone. */
  readonly anyFile: boolean;
}

/** A mailbox by the folder it is in. */
interface Place {
  readonly path: string;
  readonly folder: HeldFolder;
  readonly name: string;
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Appends wait for each other here: fcntl locks do not hold within a process. */
const queues = new Map<string, Promise<unknown>>();

async function inTurn<T>(path: string, work: () => Promise<T>): Promise<T> {
  const before = queues.get(path) ?? Promise.resolve();
  const mine = before.then(work, work);
  queues.set(path, mine);
  try {
    return await mine;
  } finally {
    if (queues.get(path) === mine) queues.delete(path);
  }
}

/**
 * Appends a message to an mbox file under its locks, and resolves when it is on stable storage; when that fails the file is as
 * it was. Throws MailFileFault.
 */
export function appendToMailbox(
  path: string,
  message: AsyncIterable<Uint8Array>,
  options: AppendOptions,
): Promise<void> {
  return inTurn(path, async () => {
    const place = placeOf(path, options);
    try {
      await appendAt(place, message, options);
    } finally {
      place.folder.close();
    }
  });
}

/** Files of any name are reached with the user's rights, mailboxes of the spool folder with this process's own. */
function withRights<T>({ anyFile, owner }: AppendOptions, work: () => T): T {
  return anyFile ? asOwner(owner.uid, owner.gid, work) : work();
}

function placeOf(path: string, options: AppendOptions): Place {
  try {
    const folder = withRights(
      options,
      () => holdFolder(dirname(path), { mayUse: usersWay(options.owner.uid) }),
    );
    return { path, folder, name: basename(path) };
  } catch (error) {
    if (options.locks.includes("dotlock") && !options.anyFile) throw cannotLock(path, error);
    const what = errorCode(error) === "ENOENT" ? "cannot create file exclusively" : "cannot open file";
    throw mailFileFault(what, error);
  }
}

const cannotLock = (path: string, error: unknown) =>
  mailFileFault(`unable to create lock file ${path}.lock`, error);

async function appendAt(
  place: Place,
  message: AsyncIterable<Uint8Array>,
  options: AppendOptions,
): Promise<void> {
  const held = options.locks.includes("dotlock") && isMailbox(place) && await dotlock(place, options);
  try {
    const { fd, stat } = openForAppend(place, options);
    try {
      check(stat, place.path, options);
      if (stat.isFile()) await lock(fd, options);
      await writeMessage(fd, stat.isFile(), message, place.folder, options.sizeLimit);
    } finally {
      fs.closeSync(fd);
    }
  } finally {
    if (held) unlock(place);
  }
}

/** Devices get no lock file. */
function isMailbox({ folder, name }: Place): boolean {
  try {
    return fs.statSync(folder.entry(name), { throwIfNoEntry: false })?.isFile() ?? true;
  } catch {
    return true; // what is wrong shows when it is opened
  }
}

const lockOf = ({ folder, name }: Place) => folder.entry(`${name}.lock`);

/** Makes `path.lock`; false where it is only a courtesy and cannot be made. */
async function dotlock(place: Place, options: AppendOptions): Promise<boolean> {
  for (let attempt = 1;; attempt++) {
    try {
      // In a spool directory the lock needs the directory's rights, not the user's.
      withRights(options, () => fs.closeSync(fs.openSync(lockOf(place), "wx", 0o600)));
      return true;
    } catch (error) {
      const obstacle = errorCode(error) === "EEXIST"
        ? withRights(options, () => removeStale(lockOf(place), options.staleLock))
        : error;
      if (obstacle === "removed") continue;
      if (obstacle !== "fresh") {
        if (options.anyFile) return false;
        throw cannotLock(place.path, obstacle);
      }
      if (attempt >= options.lockAttempts) {
        throw new MailFileFault(`unable to create lock file ${place.path}.lock: File exists`, "EAGAIN");
      }
      await pause(options.lockDelay);
    }
  }
}

/** A lock that nobody has touched for so long goes; when it may not be removed, that is what stands in the way (dot_lockfile). */
function removeStale(lock: string, age: number): "removed" | "fresh" | Error {
  try {
    if (Date.now() - fs.lstatSync(lock).mtimeMs < age) return "fresh";
    fs.unlinkSync(lock);
    return "removed";
  } catch (error) {
    return errorCode(error) === "ENOENT" || !(error instanceof Error) ? "removed" : error;
  }
}

function unlock(place: Place): void {
  try {
    fs.unlinkSync(lockOf(place));
  } catch {
    // Somebody took it for stale.
  }
}

/** Opens the file, or makes it: who makes one first wins, and the other opens that. */
function openForAppend({ folder, name }: Place, options: AppendOptions): OpenedFile {
  const { uid, gid } = options.owner;
  const existing = () => asOwner(uid, gid, () => openExisting(folder, name));
  try {
    return existing();
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  try {
    return withRights(options, () => {
      const made = createFile(folder, name);
      if (process.geteuid!() === 0) fs.fchownSync(made.fd, uid, gid);
      return { fd: made.fd, stat: fs.fstatSync(made.fd) };
    });
  } catch (error) {
    if (errorCode(error) === "EEXIST") return existing();
    throw error;
  }
}

function check(stat: fs.Stats, path: string, { anyFile, strictOwner, owner }: AppendOptions): void {
  const device = anyFile && stat.isCharacterDevice();
  if (!stat.isFile() && !device) {
    throw new MailFileFault(`destination ${path} is not a regular file`, "IRREGULAR");
  }
  if (strictOwner && stat.isFile() && stat.uid !== owner.uid) {
    throw new MailFileFault(`destination ${path} is not owned by recipient`, "FOREIGN");
  }
  if (anyFile && stat.isFile() && (stat.mode & 0o111) !== 0) {
    throw new MailFileFault("file is executable", "EXECUTABLE");
  }
}

async function lock(fd: number, options: AppendOptions): Promise<void> {
  for (const how of options.locks) {
    if (how === "dotlock") continue;
    for (let attempt = 1; !tryLock(fd, how); attempt++) {
      if (attempt >= options.lockAttempts) {
        throw new MailFileFault(
          "unable to lock for exclusive access: Resource temporarily unavailable",
          "EAGAIN",
        );
      }
      await pause(options.lockDelay);
    }
  }
  // Some mail readers replace the mailbox instead of changing it: the open file may be nobody's by now.
  if (fs.fstatSync(fd).nlink !== 1) {
    throw new MailFileFault("target file status changed unexpectedly", "EAGAIN");
  }
}

async function writeMessage(
  fd: number,
  regular: boolean,
  message: AsyncIterable<Uint8Array>,
  folder: HeldFolder,
  sizeLimit: number,
): Promise<void> {
  const start = regular ? fs.fstatSync(fd).size : 0;
  let size = start;
  try {
    for await (const piece of message) {
      size += piece.length;
      if (sizeLimit > 0 && regular && size > sizeLimit) {
        throw new MailFileFault("error writing message: File too large", "EFBIG");
      }
      writeFully(fd, piece);
    }
    if (regular) await syncFile(fd);
    // The file itself may be new.
    if (regular && start === 0) await syncFolder(folder);
  } catch (error) {
    if (regular) fs.ftruncateSync(fd, start);
    throw mailFileFault("error writing message", error);
  }
}
