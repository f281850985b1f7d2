import fs from "node:fs";
import { dirname } from "node:path";
import { asOwner } from "../process/effective_ids.ts";
import { tryLock } from "./record_lock.ts";
import { errorCode, systemErrorText } from "../system_error.ts";

/** Something about a mailbox that did not work: the words for the log, and the system's code. */
export class MailFileFault extends Error {
  override readonly name = "MailFileFault";
  readonly code: string;
  constructor(what: string, code: string, options?: ErrorOptions) {
    super(what, options);
    this.code = code;
  }
}

const failed = (what: string, error: unknown) =>
  error instanceof MailFileFault
    ? error
    : new MailFileFault(`${what}: ${systemErrorText(error)}`, errorCode(error), { cause: error });

/** The user whose rights a delivery has; only root can lend another's. */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function sync(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.fsync(fd, (error) => error === null || error === undefined ? resolve() : reject(error));
  });
}

function writeFully(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += fs.writeSync(fd, bytes, at, bytes.length - at);
}

/** Makes the entries of a folder durable; one that may be written and not read is as durable as it gets. */
async function syncFolder(path: string, as: <T>(work: () => T) => T): Promise<void> {
  let fd: number;
  try {
    fd = as(() => fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY));
  } catch (error) {
    if (errorCode(error) === "EACCES") return;
    throw error;
  }
  try {
    await sync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

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
  /** Deliveries to /file/name: the dotlock is a courtesy, and devices are welcome. */
  readonly anyFile: boolean;
}

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

/** Makes `path.lock`; answers its name, or undefined where it is only a courtesy and cannot be made. */
async function dotlock(path: string, options: AppendOptions): Promise<string | undefined> {
  const lock = `${path}.lock`;
  const make = () => fs.closeSync(fs.openSync(lock, "wx", 0o600));
  for (let attempt = 1;; attempt++) {
    try {
      // In a spool directory the lock needs the directory's rights, not the user's.
      if (options.anyFile) asOwner(options.owner.uid, options.owner.gid, make);
      else make();
      return lock;
    } catch (error) {
      if (errorCode(error) !== "EEXIST") {
        if (options.anyFile) return undefined;
        throw failed(`unable to create lock file ${lock}`, error);
      }
      if (removeStale(lock, options.staleLock)) continue;
      if (attempt >= options.lockAttempts) {
        throw new MailFileFault(`unable to create lock file ${lock}: File exists`, "EAGAIN");
      }
      await pause(options.lockDelay);
    }
  }
}

function removeStale(lock: string, age: number): boolean {
  try {
    if (Date.now() - fs.statSync(lock).mtimeMs < age) return false;
    fs.unlinkSync(lock);
    return true;
  } catch {
    return false;
  }
}

function openForAppend(path: string, options: AppendOptions): number {
  const { O_WRONLY, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  const { uid, gid } = options.owner;
  const exists = fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  try {
    // Nobody waits for the reader of a pipe that a user has put there.
    if (exists) return asOwner(uid, gid, () => fs.openSync(path, O_WRONLY | O_APPEND | O_NONBLOCK));
    return asOwner(
      options.anyFile ? uid : process.geteuid!(),
      options.anyFile ? gid : process.getegid!(),
      () => {
        const fd = fs.openSync(path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
        if (process.geteuid!() === 0) fs.fchownSync(fd, uid, gid);
        return fd;
      },
    );
  } catch (error) {
    if (errorCode(error) === "ENXIO") throw notRegular(path);
    throw failed(exists ? "cannot open file" : "cannot create file exclusively", error);
  }
}

const notRegular = (path: string) => new MailFileFault(`destination ${path} is not a regular file`, "EINVAL");

function check(fd: number, path: string, options: AppendOptions): fs.Stats {
  const stat = fs.fstatSync(fd);
  const device = options.anyFile && stat.isCharacterDevice();
  if (!stat.isFile() && !device) throw notRegular(path);
  if (options.strictOwner && stat.isFile() && stat.uid !== options.owner.uid) {
    throw new MailFileFault(`destination ${path} is not owned by recipient`, "EAGAIN");
  }
  return stat;
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
}

async function writeMessage(
  fd: number,
  stat: fs.Stats,
  message: AsyncIterable<Uint8Array>,
  options: AppendOptions & { readonly path: string },
): Promise<void> {
  const regular = stat.isFile();
  const start = regular ? fs.fstatSync(fd).size : 0;
  let size = start;
  try {
    for await (const piece of message) {
      size += piece.length;
      if (options.sizeLimit > 0 && regular && size > options.sizeLimit) {
        throw new MailFileFault("error writing message: File too large", "EFBIG");
      }
      writeFully(fd, piece);
    }
    if (regular) await sync(fd);
    // The file itself may be new.
    if (regular && start === 0) await syncFolder(dirname(options.path), (work) => work());
  } catch (error) {
    if (regular) fs.ftruncateSync(fd, start);
    throw failed("error writing message", error);
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
    const wantsDotlock = options.locks.includes("dotlock") && !path.startsWith("/dev/");
    const held = wantsDotlock ? await dotlock(path, options) : undefined;
    try {
      const fd = openForAppend(path, options);
      try {
        const stat = check(fd, path, options);
        if (stat.isFile()) await lock(fd, options);
        await writeMessage(fd, stat, message, { ...options, path });
      } finally {
        fs.closeSync(fd);
      }
    } finally {
      if (held !== undefined) fs.rmSync(held, { force: true });
    }
  });
}

/** Where a maildir message goes, and the words for what fails. */
export interface MaildirOptions {
  readonly owner: FileOwner;
  /** This machine's name, part of each file's. */
  readonly hostname: string;
  /** Most bytes of the message, 0 = no limit. */
  readonly sizeLimit: number;
}

let counter = 0;

/** Makes the temporary file, and the folders first where they are missing. */
async function openTemporary(folder: string, path: string, as: <T>(work: () => T) => T): Promise<number> {
  const open = () => as(() => fs.openSync(path, "wx", 0o600));
  try {
    return open();
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    await makeMaildir(folder, as);
    return open();
  }
}

/** Makes a maildir, and durable at once with all that had to be made above it: the next delivery finds it there and does not ask. */
async function makeMaildir(folder: string, as: <T>(work: () => T) => T): Promise<void> {
  const make = (name: string) => fs.mkdirSync(`${folder}/${name}`, { recursive: true, mode: 0o700 });
  const [first = `${folder}/tmp`] = as(() => ["tmp", "new", "cur"].map(make));
  const above = dirname(first).length;
  for (let path = folder;; path = dirname(path)) {
    await syncFolder(path, as);
    if (path.length <= above) return;
  }
}

/**
 * Delivers a message into a maildir: written to tmp/, synced, moved to new/ under its final name, and new/ synced. The folders
 * are made, and synced, when they are missing. Throws MailFileFault.
 */
export async function deliverToMaildir(
  folder: string,
  message: AsyncIterable<Uint8Array>,
  { owner, hostname, sizeLimit }: MaildirOptions,
): Promise<void> {
  const as = <T>(work: () => T): T => asOwner(owner.uid, owner.gid, work);
  const now = Date.now();
  const seconds = Math.floor(now / 1000);
  const temporary = `${folder}/tmp/${seconds}.P${process.pid}Q${++counter}.${hostname}`;
  let fd: number;
  try {
    fd = await openTemporary(folder, temporary, as);
  } catch (error) {
    throw failed(`create maildir file ${temporary}`, error);
  }
  let final: string | undefined;
  try {
    let size = 0;
    for await (const piece of message) {
      size += piece.length;
      if (sizeLimit > 0 && size > sizeLimit) throw new MailFileFault("File too large", "EFBIG");
      writeFully(fd, piece);
    }
    await sync(fd);
    const { dev, ino } = fs.fstatSync(fd, { bigint: true });
    const micros = Math.floor(performance.now() * 1000) % 1_000_000;
    const name = `${folder}/new/${seconds}.V${dev.toString(16)}I${ino.toString(16)}M${micros}.${hostname}`;
    as(() => {
      fs.linkSync(temporary, name);
      final = name;
      fs.unlinkSync(temporary);
    });
    await syncFolder(`${folder}/new`, as);
  } catch (error) {
    as(() => {
      // It is tried again: what may have arrived goes too, or there would be two.
      for (const path of [temporary, final]) if (path !== undefined) fs.rmSync(path, { force: true });
    });
    throw error instanceof MailFileFault ? error : failed(`create maildir file ${temporary}`, error);
  } finally {
    fs.closeSync(fd);
  }
}

/** Reads a small file with a user's rights, and whose it is; undefined when it is not there. Throws MailFileFault. */
export function readMailFile(
  path: string,
  owner: FileOwner,
  limit: number,
): { readonly text: string; readonly owner: number } | undefined {
  try {
    return asOwner(owner.uid, owner.gid, () => {
      const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
      try {
        return readOpen(fd, path, limit);
      } finally {
        fs.closeSync(fd);
      }
    });
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return undefined;
    throw failed(path, error);
  }
}

/** What is looked at is what is read, whatever the user puts in its place meanwhile. */
function readOpen(
  fd: number,
  path: string,
  limit: number,
): { readonly text: string; readonly owner: number } {
  const stat = fs.fstatSync(fd);
  if (!stat.isFile()) throw new MailFileFault(`${path} is not a regular file`, "EINVAL");
  if (stat.size > limit) throw new MailFileFault(`${path} is larger than ${limit} bytes`, "EFBIG");
  return { text: fs.readFileSync(fd, "utf8"), owner: stat.uid };
}

/** Whose a file or folder is, and whether its group may write. */
export interface Ownership {
  readonly uid: number;
  readonly gid: number;
  readonly groupWrites: boolean;
}

/** Whose a file or folder is; undefined when it is not there, `hidden` when this process may not look (a home of mode 0700). */
export function ownershipOf(path: string): Ownership | "hidden" | undefined {
  try {
    const stat = fs.statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    return { uid: stat.uid, gid: stat.gid, groupWrites: (stat.mode & 0o020) !== 0 };
  } catch (error) {
    const code = errorCode(error);
    if (code === "EACCES") return "hidden";
    if (code === "ENOTDIR" || code === "ELOOP" || code === "ENAMETOOLONG") return undefined;
    throw error;
  }
}
