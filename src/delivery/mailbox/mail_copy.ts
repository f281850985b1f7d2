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

/** Whole lines of a content, CR LF become the line end wanted; pieces of bounded size but for endless lines. */
async function* lines(content: Content, convert: (text: string) => string): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array | undefined;
  for await (const chunk of content.chunks()) {
    const bytes: Buffer = rest === undefined
      ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
      : Buffer.concat([rest, chunk]);
    const end = bytes.lastIndexOf(LF) + 1;
    rest = end < bytes.length ? bytes.subarray(end) : undefined;
    if (end > 0) yield latin1(convert(bytes.toString("latin1", 0, end)));
  }
  if (rest !== undefined) yield latin1(convert(`${Buffer.from(rest).toString("latin1")}\r\n`));
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
