import { MimeWalker, type WalkLimits } from "../../message/mime_walker.ts";
import type { ToolOptions } from "./_options.ts";

/** Which keys are asked for: header fields (-h), body lines (-b), and those of MIME parts and attached messages (-m). */
type Wanted = Pick<ToolOptions, "body" | "header" | "mime">;

/** Keys of a message for -b, -h and -m: header fields with their continuation lines, and body lines, which end at a NUL. */
export function messageKeys(message: Buffer, wanted: Wanted, limits: WalkLimits): Buffer[] {
  const walker = new MimeWalker({
    lineEnd: "\n",
    structure: wanted.mime,
    wholeLines: true,
    limits,
  });
  const keys: Buffer[] = [];
  for (const event of [...walker.push(message), ...walker.end()]) {
    if (event.is === "field" && wanted.header) keys.push(Buffer.from(withoutLineEnd(event.text), "latin1"));
    if (event.is === "body" && wanted.body) keys.push(...linesOf(event.bytes));
  }
  return keys;
}

const withoutLineEnd = (text: string) => text.endsWith("\n") ? text.slice(0, -1) : text;

function linesOf(bytes: Buffer): Buffer[] {
  const lines = bytes.toString("latin1").split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => Buffer.from(line.replace(/\0[^]*/, ""), "latin1"));
}
