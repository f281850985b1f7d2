import { systemErrorText } from "../../platform/system_error.ts";
import type { TableContext } from "../../table/context.ts";
import { readTableFile } from "../../table/text/table_file.ts";

/** Files that master has read for a process that may not (`lent`); none where that is left out. */
export type LentSecrets = Pick<TableContext, "lent">;

const FILE = "file:";
/** A longer file is no secret. */
const LARGEST = 65_536;

/** The text of a file that has something secret in it; or why there is none. */
export function readSecret(
  path: string,
  files: LentSecrets,
): { readonly text: string } | { readonly why: string } {
  try {
    return { text: readTableFile(path, files, LARGEST).toString("utf8") };
  } catch (error) {
    return { why: `open ${path}: ${systemErrorText(error)}` };
  }
}

/** A secret as it is written, or the first line of the file that `file:/path` names; or why not. */
export function secretText(text: string, files: LentSecrets): string | { readonly why: string } {
  if (!text.startsWith(`${FILE}/`)) return text;
  const secret = readSecret(text.slice(FILE.length), files);
  return "why" in secret ? secret : secret.text.split("\n")[0]!.replace(/\r$/, "");
}
