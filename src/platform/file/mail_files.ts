import fs from "node:fs";
import { errorCode, systemErrorText } from "../system_error.ts";
import type { HeldFolder } from "./folder/held_folder.ts";

/** Something about a mailbox that did not work: the words for the log, and the system's code (or `EXECUTABLE`). */
export class MailFileFault extends Error {
  override readonly name = "MailFileFault";
  readonly code: string;
  constructor(what: string, code: string, options?: ErrorOptions) {
    super(what, options);
    this.code = code;
  }
}

/** The fault that a system error is, in the words for it. */
export function mailFileFault(what: string, error: unknown): MailFileFault {
  return error instanceof MailFileFault
    ? error
    : new MailFileFault(`${what}: ${systemErrorText(error)}`, errorCode(error), { cause: error });
}

/** The user whose rights a delivery has; only root can lend another's. */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/** fsync(2), off the event loop. */
export function syncFile(fd: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.fsync(fd, (error) => error === null || error === undefined ? resolve() : reject(error));
  });
}

/** Writes all bytes. */
export function writeFully(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += fs.writeSync(fd, bytes, at, bytes.length - at);
}

/** Makes the entries of a folder durable; one that may be written and not read is as durable as it gets. */
export async function syncFolder(folder: HeldFolder): Promise<void> {
  const fd = folder.readable();
  if (fd === undefined) return;
  try {
    await syncFile(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Whose a file or folder is, and whether its group and everybody may write. */
export interface Ownership {
  readonly uid: number;
  readonly gid: number;
  readonly groupWrites: boolean;
  readonly othersWrite: boolean;
}

/** Whose a file or folder is; undefined when it is not there, `hidden` when this process may not look (a home of mode 0700). */
export function ownershipOf(path: string): Ownership | "hidden" | undefined {
  const stat = look(() => fs.statSync(path, { throwIfNoEntry: false }));
  if (stat === undefined || stat === "hidden") return stat;
  const { uid, gid, mode } = stat;
  return { uid, gid, groupWrites: (mode & 0o020) !== 0, othersWrite: (mode & 0o002) !== 0 };
}

/** Whether there is anything of that name, a link that leads nowhere too; `hidden` when this process may not look. */
export function isNamed(path: string): boolean | "hidden" {
  const stat = look(() => fs.lstatSync(path, { throwIfNoEntry: false }));
  return stat === "hidden" ? stat : stat !== undefined;
}

function look(stat: () => fs.Stats | undefined): fs.Stats | "hidden" | undefined {
  try {
    return stat();
  } catch (error) {
    const code = errorCode(error);
    if (code === "EACCES") return "hidden";
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP" || code === "ENAMETOOLONG") {
      return undefined;
    }
    throw error;
  }
}
