import { hasAnomaly } from "./line_anomalies.ts";

/** What came out of a chunk of DATA. */
export interface Decoded {
  /** Content: CR LF line ends, dots unstuffed. May be empty. */
  readonly content: Buffer;
  /** After the end of data: what follows it; undefined while the message goes on. */
  readonly rest: Buffer | undefined;
}

/** How bytes after DATA are read (smtpd_forbid_bare_newline). */
export interface DataOptions {
  /** `smtpd_forbid_bare_newline = no`: a dot between any two line ends is the end of data. */
  readonly lenient?: boolean;
  /** cleanup_replace_stray_cr_lf: a CR without LF becomes a blank. */
  readonly keepBareCr?: boolean;
  /** BDAT: dots mean nothing, and the count tells the end (RFC 3030 §2). */
  readonly counted?: boolean;
}

const NOTHING = Buffer.alloc(0);
const DOT = 46;
const LF = 10;
const CR = 13;
const END = Buffer.from("\r\n.\r\n");
// How many CRs the lenient reading takes before an LF; a bound keeps what is carried over small.
const MOST_CRS = 8;

const LINE_DOT = Buffer.from("\n.");
/** Bytes that are looked at together, while the processor's cache has them. */
const STRETCH = 32_768;

/** Behind the last line end of a stretch; of a line that is longer, behind all. */
function endOfStretch(bytes: Buffer, from: number): number {
  if (bytes.length - from <= STRETCH) return bytes.length;
  const end = bytes.lastIndexOf(LF, from + STRETCH) + 1;
  return end > from ? end : bytes.length;
}

/** Behind the line end of a line that begins with the dot at `dot`, if nothing else is in it. */
function behindLenientEnd(bytes: Buffer, dot: number): number | undefined {
  let at = dot + 1;
  while (bytes[at] === CR && at <= dot + MOST_CRS) at++;
  return bytes[at] === LF ? at + 1 : undefined;
}

/**
 * Takes the end of data and the dot stuffing off a stream (RFC 5321 §4.5.2) and makes every line end CR LF. Works on
 * whole chunks: a chunk without stray newlines or leading dots passes as it is. Only CR LF . CR LF ends the message,
 * unless `lenient`; a lone dot between other line ends vanishes, as with Postfix's `normalize`.
 */
export class DataDecoder {
  /** Whether an LF without CR was seen. */
  bareLf = false;
  readonly #options: DataOptions;
  /** The line end before the next byte; undefined in mid-line. DATA's own CR LF counts. */
  #lineStart: "crlf" | "lf" | undefined = "crlf";
  /** Bytes that mean different things depending on what follows: CR, dot, dot CR. */
  #carry: Buffer = NOTHING;

  constructor(options: DataOptions = {}) {
    this.#options = options;
  }

  push(chunk: Buffer): Decoded {
    const bytes = this.#carry.length === 0 ? chunk : Buffer.concat([this.#carry, chunk]);
    this.#carry = NOTHING;
    const end = this.#options.counted ? undefined : this.#findEnd(bytes);
    if (end === undefined) return { content: this.#decode(this.#withoutCarry(bytes)), rest: undefined };
    return { content: this.#decode(bytes.subarray(0, end.content)), rest: bytes.subarray(end.next) };
  }

  /** After the last counted byte: what was kept back, and a line end where one is missing. */
  finish(): Buffer {
    const held = this.#carry.length === 0 ? "" : this.#options.keepBareCr ? "\r" : " ";
    this.#carry = NOTHING;
    return Buffer.from(this.#lineStart === undefined || held !== "" ? `${held}\r\n` : "");
  }

  #findEnd(bytes: Buffer): { readonly content: number; readonly next: number } | undefined {
    if (this.#options.lenient) return this.#findLenientEnd(bytes);
    if (
      this.#lineStart === "crlf" && bytes.length >= 3 && bytes[0] === DOT && bytes[1] === CR &&
      bytes[2] === LF
    ) {
      return { content: 0, next: 3 };
    }
    const at = bytes.indexOf(END);
    return at < 0 ? undefined : { content: at + 2, next: at + 5 };
  }

  #findLenientEnd(bytes: Buffer): { readonly content: number; readonly next: number } | undefined {
    if (this.#lineStart !== undefined && bytes[0] === DOT) {
      const next = behindLenientEnd(bytes, 0);
      if (next !== undefined) return { content: 0, next };
    }
    for (let at = bytes.indexOf(LINE_DOT); at >= 0; at = bytes.indexOf(LINE_DOT, at + 1)) {
      const next = behindLenientEnd(bytes, at + 1);
      if (next !== undefined) return { content: at + 1, next };
    }
  }

  /** Keeps back the undecided end of a chunk. */
  #withoutCarry(bytes: Buffer): Buffer {
    let from = bytes.length;
    const most = this.#options.lenient ? MOST_CRS : 1;
    while (from > 0 && bytes.length - from < most && bytes[from - 1] === CR) from--;
    if (!this.#options.counted && from > 0 && bytes[from - 1] === DOT && this.#startsLine(bytes, from - 1)) {
      from--;
    }
    if (from === bytes.length) return bytes;
    this.#carry = Buffer.from(bytes.subarray(from));
    return bytes.subarray(0, from);
  }

  #startsLine(bytes: Buffer, at: number): boolean {
    return at === 0 ? this.#lineStart !== undefined : bytes[at - 1] === LF;
  }

  #decode(bytes: Buffer): Buffer {
    const length = bytes.length;
    if (length === 0) return bytes;
    const content = this.#isOdd(bytes) ? this.#repair(bytes.toString("latin1")) : bytes;
    if (bytes[length - 1] !== LF) this.#lineStart = undefined;
    else this.#lineStart = bytes[length - 2] === CR ? "crlf" : "lf";
    return content;
  }

  /** Whether anything is to be changed. Each stretch begins where a line does. */
  #isOdd(bytes: Buffer): boolean {
    if (bytes[0] === LF || (bytes[0] === DOT && this.#lineStart !== undefined)) return true;
    for (let at = 0; at < bytes.length;) {
      const end = endOfStretch(bytes, at);
      if (at > 0 && bytes[at] === DOT) return true;
      if (hasAnomaly(bytes.subarray(at, end))) return true;
      at = end;
    }
    return false;
  }

  /** The slow way, still in whole-text steps: line ends, stray CRs, lone dots, stuffed dots. */
  #repair(text: string): Buffer {
    if (text[0] === "\n" || /[^\r]\n/.test(text)) this.bareLf = true;
    let lines = this.#options.lenient ? text.replace(/\r{0,8}\n/g, "\n") : text.replaceAll("\r\n", "\n");
    if (!this.#options.keepBareCr) lines = lines.replaceAll("\r", " ");
    if (this.#options.counted) return Buffer.from(lines.replaceAll("\n", "\r\n"), "latin1");
    // A line start before the text is made visible, so that one pattern serves both places.
    const atStart = this.#lineStart !== undefined;
    if (atStart) lines = `\n${lines}`;
    lines = lines.replace(/(?<=\n)\.\n/g, "").replaceAll("\n.", "\n");
    return Buffer.from((atStart ? lines.slice(1) : lines).replaceAll("\n", "\r\n"), "latin1");
  }
}
