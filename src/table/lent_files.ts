import { readWhole } from "../platform/random_access_file.ts";
import { errorCode } from "../platform/system_error.ts";
import type { TableContext } from "./context.ts";

/**
 * A table's file as bytes: read by this process, or lent by master where only root may read it (Postfix's daemons open their
 * tables before they drop root's rights). Throws the system's error.
 */
export function readTableFile(path: string, { lent }: Pick<TableContext, "lent">): Buffer {
  try {
    return readWhole(path);
  } catch (error) {
    const text = errorCode(error) === "EACCES" ? lent?.[path] : undefined;
    if (text === undefined) throw error;
    return Buffer.from(text, "latin1");
  }
}
