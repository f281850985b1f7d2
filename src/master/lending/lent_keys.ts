import type { KeyPaths } from "./table_files.ts";

/** How the files are read: as `bytesToLend` does, undefined for what needs no lending. */
export interface KeyReader {
  bytes(path: string): string | undefined;
  /** The files with authorities in a folder; none when it cannot be read. */
  authorities(folder: string): readonly string[];
}

/** Bytes that a folder with authorities may have together: every worker holds them. */
const LARGEST_FOLDER = 4 << 20;

/** What keys and certificates begin with, and nothing else that a table might name (RFC 7468 §2). */
const PEM = "-----BEGIN ";

/**
 * What TLS needs of files and folders that only root may read, for the workers, who are never root: Postfix's daemons read their keys
 * before they give up root's rights. A folder with authorities is lent as one text, under its own path.
 */
export function lentKeys(
  { files, folders, named }: KeyPaths,
  { bytes, authorities }: KeyReader,
): Record<string, string> {
  const lent: Record<string, string> = {};
  for (const path of files) {
    const text = bytes(path);
    if (text !== undefined) lent[path] = text;
  }
  for (const path of named) {
    const text = bytes(path);
    if (text?.includes(PEM) === true) lent[path] = text;
  }
  for (const folder of folders) {
    const texts = authorities(folder).map(bytes).filter((text) => text !== undefined);
    const all = texts.join("\n");
    if (texts.length > 0 && all.length <= LARGEST_FOLDER) lent[folder] = all;
  }
  return lent;
}
