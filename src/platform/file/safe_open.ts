import fs from "node:fs";
import { errorCode, systemErrorText } from "../system_error.ts";
import type { HeldFolder } from "./folder/held_folder.ts";
import { isRootsAlone } from "./folder/walk_rules.ts";
import { MailFileFault, mailFileFault } from "./mail_files.ts";

const { O_WRONLY, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
/** Nobody waits for the reader of a pipe that a user has put there. */
const APPEND = O_WRONLY | O_APPEND | O_NONBLOCK;

/** A file that was opened and is what it was taken for. */
export interface OpenedFile {
  readonly fd: number;
  readonly stat: fs.Stats;
}

/**
 * Opens a file to append to: first opened, then judged by what was opened, so that no link and no second name leads a delivery
 * into another file, and nothing can be put in between (the rules and words of Postfix's safe_open). Throws MailFileFault.
 */
export function openExisting(folder: HeldFolder, name: string): OpenedFile {
  const { fd, throughLink } = openAsItIs(folder, name);
  try {
    const stat = fs.fstatSync(fd);
    if (stat.nlink !== 1) throw manyLinks(stat.nlink);
    if (!throughLink) judgeName(folder, name, stat);
    return { fd, stat };
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/** Makes a new file of mode 0600; whatever has the name already, a link too, is not touched. Throws MailFileFault. */
export function createFile(folder: HeldFolder, name: string): OpenedFile {
  try {
    const fd = fs.openSync(folder.entry(name), APPEND | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    return { fd, stat: fs.fstatSync(fd) };
  } catch (error) {
    throw mailFileFault("cannot create file exclusively", error);
  }
}

function openAsItIs(
  folder: HeldFolder,
  name: string,
): { readonly fd: number; readonly throughLink: boolean } {
  const path = folder.entry(name);
  try {
    return { fd: fs.openSync(path, APPEND | O_NOFOLLOW), throughLink: false };
  } catch (error) {
    if (errorCode(error) !== "ELOOP") throw cannotOpen(error);
  }
  if (!isRootsLink(folder, name)) throw whyNotFollowed(path);
  try {
    return { fd: fs.openSync(path, APPEND), throughLink: true };
  } catch (error) {
    throw cannotOpen(error);
  }
}

/** Only root's link, where only root can put one, is root's word: a hard link to another of root's links is not. */
export function isRootsLink(folder: HeldFolder, name: string): boolean {
  if (!isRootsAlone(folder.stat())) return false;
  return fs.lstatSync(folder.entry(name), { throwIfNoEntry: false })?.uid === 0;
}

/** What Postfix, which opens a link's target before it looks at the link, says of the target first. */
function whyNotFollowed(path: string): MailFileFault {
  try {
    const target = fs.statSync(path);
    if (target.isDirectory()) return new MailFileFault("cannot open file: Is a directory", "EISDIR");
    fs.accessSync(path, fs.constants.W_OK);
    if (target.nlink !== 1) return manyLinks(target.nlink);
  } catch (error) {
    return cannotOpen(error);
  }
  return new MailFileFault("file is a symbolic link", "EPERM");
}

/** The name must still be the open file's: neither moved nor linked to meanwhile. */
function judgeName(folder: HeldFolder, name: string, opened: fs.Stats): void {
  let named: fs.Stats;
  try {
    named = fs.lstatSync(folder.entry(name));
  } catch (error) {
    throw new MailFileFault(`file status changed unexpectedly: ${systemErrorText(error)}`, "EPERM");
  }
  if (named.isSymbolicLink()) throw new MailFileFault("file is a symbolic link", "EPERM");
  const same = named.dev === opened.dev && named.ino === opened.ino && named.nlink === opened.nlink &&
    named.mode === opened.mode;
  if (!same) throw new MailFileFault("file status changed unexpectedly", "EPERM");
}

const cannotOpen = (error: unknown) => mailFileFault("cannot open file", error);
const manyLinks = (links: number) => new MailFileFault(`file has ${links} hard links`, "EPERM");
