import { readSmallFile } from "../../platform/file/small_files.ts";
import { systemErrorText } from "../../platform/system_error.ts";

const FILE = "file:";

/** A secret as it is written, or the first line of the file that `file:/path` names; or why not. */
export function secretText(text: string): string | { readonly why: string } {
  if (!text.startsWith(`${FILE}/`)) return text;
  const path = text.slice(FILE.length);
  try {
    const [line = ""] = Buffer.from(readSmallFile(path)).toString("utf8").split("\n");
    return line.replace(/\r$/, "");
  } catch (error) {
    return { why: `open ${path}: ${systemErrorText(error)}` };
  }
}
