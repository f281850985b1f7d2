import { existsSync, readFileSync } from "node:fs";

/** A mailbox file, once a whole message is in it (with that text) or ten seconds have passed; "" when there is none. */
export async function mailbox(path: string, text = ""): Promise<string> {
  const content = () => existsSync(path) ? readFileSync(path, "utf8") : "";
  for (const end = Date.now() + 10_000; Date.now() < end; await Bun.sleep(10)) {
    const now = content();
    if (now.endsWith("\n\n") && now.includes(text)) return now;
  }
  return content();
}
