import type { Content } from "../../queue/store.ts";

/** How a message is written into a mailbox. */
export interface CopyOptions {
  /** Lines to put on top, LF line ends. */
  readonly prefix: string;
  /** `>` before lines that begin with `From `, and an empty line at the end (mbox). */
  readonly mbox: boolean;
  /** Line end, LF unless a pipe has another. */
  readonly eol?: string;
  /** Another `.` before lines that begin with one (pipe flag `.`). */
  readonly dots?: boolean;
  /** Quote `From ` lines without the empty line at the end (pipe flag `>`). */
  readonly quoteFrom?: boolean;
  /** An empty line at the end (pipe flag B). */
  readonly blankEnd?: boolean;
}

const latin1 = (text: string) => Buffer.from(text, "latin1");
const LF = 10;

const CR = 13;
/** Bytes of a line that wait for its end; a longer one goes on in pieces. */
const LINE_LIMIT = 16_384;

/** Up to where bytes can be passed on: the last line end, or all of a long line but for half a line end. */
function settledEnd(bytes: Buffer): number {
  const end = bytes.lastIndexOf(LF) + 1;
  if (bytes.length - end <= LINE_LIMIT) return end;
  return bytes[bytes.length - 1] === CR ? bytes.length - 1 : bytes.length;
}

/** The content piece by piece, CR LF become the line end wanted: whole lines, but for those that are longer than any honest one. */
async function* lines(content: Content, convert: (text: string) => string): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array | undefined;
  let inLine = false;
  // A character in front keeps the middle of a line from being taken for its start.
  const converted = (text: string) => latin1(inLine ? convert(`x${text}`).slice(1) : convert(text));
  for await (const chunk of content.chunks()) {
    const bytes: Buffer = rest === undefined
      ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
      : Buffer.concat([rest, chunk]);
    const end = settledEnd(bytes);
    rest = end < bytes.length ? bytes.subarray(end) : undefined;
    if (end === 0) continue;
    yield converted(bytes.toString("latin1", 0, end));
    inLine = bytes[end - 1] !== LF;
  }
  if (rest !== undefined || inLine) yield converted(`${Buffer.from(rest ?? []).toString("latin1")}\r\n`);
}

/** The bytes of a message as a mailbox has them: LF line ends, the prefix on top, mbox quoting where it is wanted. */
export async function* mailCopy(content: Content, options: CopyOptions): AsyncGenerator<Uint8Array> {
  const eol = options.eol ?? "\n";
  const quote = options.mbox || options.quoteFrom === true;
  if (options.prefix !== "") {
    yield Buffer.from(eol === "\n" ? options.prefix : options.prefix.replaceAll("\n", eol));
  }
  yield* lines(content, (text) => {
    let out = text.replaceAll("\r\n", "\n");
    if (quote && out.includes("From ")) out = out.replace(/^From /gm, ">From ");
    if (options.dots === true) out = out.replace(/^\./gm, "..");
    return eol === "\n" ? out : out.replaceAll("\n", eol);
  });
  if (options.mbox || options.blankEnd === true) yield Buffer.from(eol);
}
