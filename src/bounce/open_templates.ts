import { systemErrorText } from "../platform/system_error.ts";
import { BUILT_IN, parseTemplates, type Templates } from "./template.ts";

/** The texts of bounce_template_file, or the built-in ones when it is empty. Throws words for the operator, with file and line. */
export function openTemplates(path: string, read: (path: string) => Uint8Array): Templates {
  if (path === "") return BUILT_IN;
  let text: string;
  try {
    text = Buffer.from(read(path)).toString("utf8");
  } catch (error) {
    throw new Error(`bounce_template_file: cannot open ${path}: ${systemErrorText(error)}`, { cause: error });
  }
  const parsed = parseTemplates(text);
  if ("is" in parsed) throw new Error(`${path}, line ${parsed.line}: ${parsed.why}`);
  return parsed;
}
