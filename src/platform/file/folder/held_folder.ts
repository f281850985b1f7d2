import fs from "node:fs";
import { errno, libc, systemError } from "../../libc.ts";

/** open(2)'s O_PATH, which the runtime does not name: a descriptor of the thing itself, which needs no right to read it. */
export const O_PATH = 0x200000;
const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = fs.constants;
const O_CLOEXEC = 0o2000000;
const [EACCES, ENOTDIR, EINVAL, ELOOP] = [13, 20, 22, 40];
/** Links followed on one path, as the kernel has it (path_resolution(7)). */
const MOST_LINKS = 40;

const open = () =>
  libc({
    openat: { args: ["i32", "cstring", "i32"], returns: "i32" },
    readlinkat: { args: ["i32", "cstring", "ptr", "u64"], returns: "i64" },
  });
let calls: ReturnType<typeof open> | undefined;

/** A folder that is held open: its entries are reached through it, wherever its path leads meanwhile. */
export class HeldFolder {
  /** As it was asked for, for messages. */
  readonly path: string;
  readonly fd: number;

  constructor(path: string, fd: number) {
    this.path = path;
    this.fd = fd;
  }

  /** The name by which the system reaches an entry of this very folder. */
  entry(name: string): string {
    return `/proc/self/fd/${this.fd}/${name}`;
  }

  stat(): fs.Stats {
    return fs.fstatSync(this.fd);
  }

  /** Opens what is held itself, by open(2)'s flags. */
  open(flags: number): number {
    return fs.openSync(`/proc/self/fd/${this.fd}`, flags);
  }

  /** A descriptor for fsync(2); undefined for a folder that may be written and not read. */
  readable(): number | undefined {
    try {
      return fs.openSync(this.entry("."), O_RDONLY | O_DIRECTORY);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EACCES") return undefined;
      throw error;
    }
  }

  close(): void {
    fs.closeSync(this.fd);
  }
}

/** How a path is walked. */
export interface Walk {
  /** Whether what was found may be on the way, by the folder that it was found in (./walk_rules.ts). */
  readonly mayUse: (found: fs.Stats, folder: fs.Stats) => boolean;
  /** Makes a folder that is missing. */
  readonly make?: (folder: HeldFolder, name: string) => void;
}

/**
 * Holds the folder at an absolute path, or at a path from a held folder, each folder and link on the way opened first and then looked
 * at. Throws the system's error.
 */
export function holdFolder(path: string, walk: Walk, from?: HeldFolder): HeldFolder {
  const held = walkTo(path, walk, from);
  if (held.stat().isDirectory()) return held;
  held.close();
  throw systemError("open", ENOTDIR);
}

/** A descriptor (O_PATH) of what a path leads to, by the same way. */
export function walkTo(path: string, walk: Walk, from?: HeldFolder): HeldFolder {
  if (path.includes("\0")) throw systemError("open", EINVAL);
  const steps = path.split("/").reverse();
  let here = from === undefined ? root(path) : new HeldFolder(path, openAt(from.fd, "."));
  let links = 0;
  try {
    while (steps.length > 0) {
      const name = steps.pop()!;
      if (name === "" || name === ".") continue;
      const next = step(here, name, walk);
      if (typeof next === "string") {
        if (++links > MOST_LINKS) throw systemError("open", ELOOP);
        steps.push(...next.split("/").reverse());
        if (next.startsWith("/")) here = replace(here, root(path));
      } else here = replace(here, new HeldFolder(path, next));
    }
    return here;
  } catch (error) {
    here.close();
    throw error;
  }
}

const root = (path: string) => new HeldFolder(path, fs.openSync("/", O_PATH | O_DIRECTORY));

function replace(old: HeldFolder, held: HeldFolder): HeldFolder {
  old.close();
  return held;
}

/** What has that name, open, or where the link of that name leads. */
function step(folder: HeldFolder, name: string, { mayUse, make }: Walk): number | string {
  const open = () => openAt(folder.fd, name);
  let fd: number;
  try {
    fd = open();
  } catch (error) {
    if (make === undefined || (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    make(folder, name);
    fd = open();
  }
  let kept = false;
  try {
    const found = fs.fstatSync(fd);
    if (name !== ".." && !mayUse(found, folder.stat())) throw systemError("open", EACCES);
    if (found.isSymbolicLink()) return targetOf(fd);
    kept = true;
    return fd;
  } finally {
    if (!kept) fs.closeSync(fd);
  }
}

/** openat(2), of the thing itself: called directly it costs a third of the way through /proc, and each step of a path is one. */
function openAt(folder: number, name: string): number {
  const fd = (calls ??= open()).openat(folder, Buffer.from(`${name}\0`), O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) throw systemError("open", errno());
  return fd;
}

/** Where an open link leads: asked of the descriptor, as its name may be another's by now. */
function targetOf(fd: number): string {
  const bytes = new Uint8Array(4096);
  const length = Number((calls ??= open()).readlinkat(fd, Buffer.from("\0"), bytes, bytes.length));
  if (length < 0) throw systemError("readlink", errno());
  return Buffer.from(bytes.buffer, 0, length).toString("utf8");
}
