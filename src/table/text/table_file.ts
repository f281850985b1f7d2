import { isPipe, readPlain, readWhole } from "../../platform/file/random_access_file.ts";
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
  { lent, asPostmap }: Pick<TableContext, "lent" | "asPostmap">,
  most = LARGEST_TABLE_FILE,
): Buffer {
  try {
    return asPostmap === true && isPipe(path) ? readWhole(path) : readPlain(path, most);
  } catch (error) {
    const text = errorCode(error) === "EACCES" ? lent?.[path] : undefined;
    if (text === undefined) throw error;
    return Buffer.from(text, "latin1");
  }
}
