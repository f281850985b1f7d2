import fs from "node:fs";
import { basename, dirname } from "node:path";
import { isRoot } from "../process/effective_ids.ts";
import { errorCode, systemErrorText } from "../system_error.ts";
import { type HeldFolder, holdFolder } from "./folder/held_folder.ts";
import { isRootsLink } from "./safe_open.ts";
import { mastersWay } from "./folder/walk_rules.ts";

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = fs.constants;

/**
 * Opens a log file for appending, made with these permission bits; the descriptor is the caller's to close. Root follows no
 * link that somebody else could have put there, and writes to no file with a second name there: whoever owns the folder would
 * have our lines in any file. Throws an Error that says what is wrong, without the path.
 */
export function openLogFile(path: string, mode: number): number {
  try {
    const folder = holdFolder(dirname(path), { mayUse: mastersWay() });
    try {
      return openIn(folder, basename(path), mode);
    } finally {
      folder.close();
    }
  } catch (error) {
    throw new Error(systemErrorText(error), { cause: error });
  }
}

function openIn(folder: HeldFolder, name: string, mode: number): number {
  const flags = O_WRONLY | O_APPEND | O_CREAT;
  if (!isRoot() || isRootsLink(folder, name)) return fs.openSync(folder.entry(name), flags, mode);
  let fd: number;
  try {
    fd = fs.openSync(folder.entry(name), flags | O_NOFOLLOW, mode);
  } catch (error) {
    throw errorCode(error) === "ELOOP" ? new Error("file is a symbolic link") : error;
  }
  const stat = fs.fstatSync(fd);
  if (!stat.isFile() || stat.nlink === 1) return fd;
  fs.closeSync(fd);
  throw new Error(`file has ${stat.nlink} hard links`);
}
