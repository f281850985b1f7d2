import fs from "node:fs";
import { readFully } from "./read_at.ts";

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, S_IFMT, S_IFREG, S_IXUSR } = fs.constants;

/** How a file is that somebody else has made. */
export interface HandedState {
  readonly isPlain: boolean;
  readonly isFolder: boolean;
  /** Its owner may execute it, which here means that it is whole. */
  readonly isWhole: boolean;
  readonly uid: number;
  readonly gid: number;
  readonly links: number;
  readonly size: number;
  /** Bytes on the disk. */
  readonly taken: number;
  /** Milliseconds since 1970. */
  readonly mtime: number;
  readonly ctime: number;
}

function stateOf(stat: fs.Stats): HandedState {
  return {
    isPlain: (stat.mode & S_IFMT) === S_IFREG,
    isFolder: stat.isDirectory(),
    isWhole: (stat.mode & S_IXUSR) !== 0,
    uid: stat.uid,
    gid: stat.gid,
    links: stat.nlink,
    size: stat.size,
    taken: stat.blocks * 512,
    mtime: stat.mtimeMs,
    ctime: stat.ctimeMs,
  };
}

/** What has that name now, no link followed; undefined when nothing has. Throws the system's error. */
export function handedState(path: string | Buffer): HandedState | undefined {
  const stat = fs.lstatSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : stateOf(stat);
}

/** A file of somebody else's, open: what is judged is what is read. */
export interface HandedFile {
  readonly state: HandedState;
  /** Reads up to `into.length` bytes from there; fewer at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  close(): void;
}

/** Opens what has that name: no link is followed, and nobody waits for the other end of a pipe. Throws the system's error. */
export function openHanded(path: string): HandedFile {
  const fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  return {
    state: stateOf(fs.fstatSync(fd)),
    read: (into, position) => readFully(fd, into, position),
    close: () => fs.closeSync(fd),
  };
}

/** Removes a name that is no folder's. Harmless when it is gone. Throws the system's error. */
export function removeHanded(path: string | Buffer): void {
  try {
    fs.unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** Removes a folder if nothing is in it; answers whether it is gone. */
export function removeEmptyFolder(path: string | Buffer): boolean {
  try {
    fs.rmdirSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

/** Moves what has that name to another folder of ours. Throws the system's error. */
export function moveHanded(from: string | Buffer, to: string): void {
  fs.renameSync(from, to);
}

/** Makes a folder that only this process's user may enter, if there is none, and answers how many names are in it. */
export function privateFolderCount(path: string): number {
  fs.mkdirSync(path, { recursive: true, mode: 0o700 });
  return fs.readdirSync(path).length;
}
