import { fileIdentity, readPlain } from "../platform/file/random_access_file.ts";
import { caFolder, LARGEST_PEM } from "../platform/socket/certificate_authorities.ts";
import { errorCode } from "../platform/system_error.ts";
import type { FileStamp, FreshFilesWorld } from "./fresh_files.ts";

/** Files with certificates and keys, as this process can have them. */
export interface TlsFiles extends FreshFilesWorld {
  /** Throws the system's error. */
  read(path: string): string;
  /** The certificates of the authorities in a folder, PEM. Throws the system's error. */
  readFolder(path: string): string;
  /** What was in these files together when they were good last, keys first: for a process that has not seen that itself. */
  lastGood?(paths: readonly string[]): string | undefined;
}

/** What master lends at the moment: the bytes of files that only root may read, one a character. */
export type Lent = () => Readonly<Record<string, string>>;

/** What the last good content of files is lent as. */
export function lastGoodName(paths: readonly string[]): string {
  return `last good: ${paths.join(", ")}`;
}

/** The system's files, as this process may read them by itself. */
export const ownTlsFiles: TlsFiles = systemTlsFiles(() => ({}));

/** The system's files, and in place of those that this process may not read what master has lent of them. */
export function systemTlsFiles(lent: Lent): TlsFiles {
  return {
    read: (path) => orLent(path, lent, () => readPlain(path, LARGEST_PEM).toString("latin1")),
    readFolder: (path) => orLent(path, lent, () => caFolder(path)),
    lastGood: (paths) => lent()[lastGoodName(paths)],
    // What is lent changes later than the file.
    stampOf: (path) => withLoan(stampOf(path), lent()[path]),
    now: () => Date.now(),
  };
}

function orLent(path: string, lent: Lent, read: () => string): string {
  try {
    return read();
  } catch (error) {
    const text = errorCode(error) === "EACCES" ? lent()[path] : undefined;
    if (text === undefined) throw error;
    return text;
  }
}

function stampOf(path: string): FileStamp | undefined {
  try {
    const found = fileIdentity(path);
    if (found === undefined) return undefined;
    const { device, inode, size, mtime, ctime } = found;
    return { text: `${device}:${inode}:${size}:${mtime}:${ctime}`, changed: ctime };
  } catch {
    return undefined; // whoever reads it says what is wrong
  }
}

function withLoan(stamp: FileStamp | undefined, loan: string | undefined): FileStamp | undefined {
  if (loan === undefined) return stamp;
  return { text: `${stamp?.text ?? ""} ${loan}`, changed: stamp?.changed ?? 0 };
}
