import { existsSync, readFileSync } from "node:fs";
import { until } from "./waiting.ts";

/** A mailbox file, once a whole message is in it, with that text. */
export async function mailbox(path: string, text = ""): Promise<string> {
  let content = "";
  await until(() => `mail in ${path}: ${content}`, () => {
    content = existsSync(path) ? readFileSync(path, "utf8") : "";
    return content.endsWith("\n\n") && content.includes(text);
  });
  return content;
}
