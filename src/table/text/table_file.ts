import { ownershipOf } from "../../platform/file/mail_files.ts";
import { isPipe, type OwnedBytes, readOwned, readWhole } from "../../platform/file/random_access_file.ts";
import { errorCode } from "../../platform/system_error.ts";
import type { TableContext } from "../context.ts";

/** Bytes of a file that a table keeps in memory as a whole. */
const LARGEST_TABLE_FILE = 256 << 20;

/**
 * A table's file as bytes: read by this process, or lent by master where only root may read it (Postfix's daemons open their
 * tables before they drop root's rights). A command may read a pipe too; a server does not wait for one. Throws the system's error.
 */
export function readTableFile(
  path: string,
  context: Pick<TableContext, "lent" | "asPostmap">,
  most = LARGEST_TABLE_FILE,
): Buffer {
  return readOwnedTableFile(path, context, most).bytes;
}

/** The same, with whose the file is: commands of an alias table run with its owner's rights (local(8)). */
export function readOwnedTableFile(
  path: string,
  { lent, asPostmap }: Pick<TableContext, "lent" | "asPostmap">,
  most = LARGEST_TABLE_FILE,
): OwnedBytes {
  try {
    if (asPostmap === true && isPipe(path)) return { bytes: readWhole(path), owner: undefined };
    return readOwned(path, most);
  } catch (error) {
    const text = errorCode(error) === "EACCES" ? lent?.[path] : undefined;
    if (text === undefined) throw error;
    return { bytes: Buffer.from(text, "latin1"), owner: ownerOf(path) };
  }
}

function ownerOf(path: string): number | undefined {
  const owner = ownershipOf(path);
  return owner === "hidden" ? undefined : owner?.uid;
}
