import { printableBytes } from "../base/printable.ts";

/** A server's reply, whole. */
export interface ServerReply {
  readonly code: number;
  /** Enhanced status; made up as `x.0.0` when the server gave none that agrees with the code (RFC 2034). */
  readonly status: string;
  /** All lines as sent, joined by a blank, unprintable bytes as `?`: what log lines and bounces quote. */
  readonly text: string;
  readonly lines: readonly string[];
  /** Lines that are no reply came before it. */
  readonly garbage: boolean;
}

/** What a session says of replies that are not kept whole. */
export interface ReplyLimits {
  /** Longest line that is kept, and the text after which no further lines are (line_length_limit). */
  readonly limit: number;
  readonly warn: (text: string) => void;
  /** What counts in place of a line, before anything is made of it. */
  readonly filter?: (line: string) => string;
}

const LIMITS: ReplyLimits = { limit: 2048, warn: () => {} };

/** How much of a reply a warning shows. */
const SHOWN = 30;
/** Bytes after which a reply that does not end is given up. */
const REPLY_LIMIT = 1 << 20;

const REPLY_LINE = /^(\d{3})([ -]|$)/;
const ENHANCED = /^[245]\.\d{1,3}\.\d{1,3}(?= |$)/;

/** Cuts the byte stream from a server into replies (RFC 5321 §4.2). Chunks may be split anywhere. */
export class ReplyReader {
  /** Rest of the last chunk, bytes as Latin-1, without a line end. */
  #rest = "";
  /** The rest has been cut: what follows up to the line end is dropped. */
  #skipping = false;
  #lines: string[] = [];
  /** Length of the lines, joined. */
  #kept = 0;
  #tooMany = false;
  #bytes = 0;
  #garbage = false;
  readonly #ready: ServerReply[] = [];
  readonly #limits: ReplyLimits;

  constructor(limits: ReplyLimits = LIMITS) {
    this.#limits = limits;
  }

  /** Takes bytes in; false when a reply has outgrown every bound. */
  push(chunk: Uint8Array): boolean {
    this.#bytes += chunk.length;
    const text = latin1(chunk);
    let at = 0;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", at)) {
      this.#line(this.#rest === "" ? text.slice(at, end) : this.#rest + text.slice(at, end));
      this.#rest = "";
      this.#skipping = false;
      at = end + 1;
    }
    if (!this.#skipping && at < text.length) {
      this.#rest += text.slice(at);
      if (this.#rest.length > this.#limits.limit) {
        this.#rest = this.#rest.slice(0, this.#limits.limit);
        this.#skipping = true;
      }
    }
    return this.#bytes <= REPLY_LIMIT;
  }

  /** The next whole reply, or undefined. */
  take(): ServerReply | undefined {
    return this.#ready.shift();
  }

  /** Whether bytes have come that belong to no reply taken so far. */
  get hasInput(): boolean {
    return this.#ready.length > 0 || this.#rest !== "" || this.#lines.length > 0;
  }

  #line(raw: string): void {
    const { limit, warn, filter } = this.#limits;
    const read = shown(raw.endsWith("\r") ? raw.slice(0, -1) : raw, limit);
    if (this.#skipping || raw.length > limit) {
      warn(`response longer than ${limit}: ${read.slice(0, SHOWN)}...`);
    }
    const line = filter?.(read) ?? read;
    this.#keep(line);
    const match = REPLY_LINE.exec(line);
    if (match === null) this.#garbage = true;
    else if (match[2] !== "-") this.#finish(Number(match[1]), line);
  }

  /** Lines behind a text that is long enough are left out. */
  #keep(line: string): void {
    const { limit, warn } = this.#limits;
    if (this.#kept < limit) {
      this.#kept += line.length + (this.#lines.length === 0 ? 0 : 1);
      this.#lines.push(line);
    } else if (!this.#tooMany) {
      this.#tooMany = true;
      warn(`multi-line response longer than ${limit} ${this.#lines.join("\n").slice(0, SHOWN)}...`);
    }
  }

  #finish(code: number, last: string): void {
    this.#ready.push({
      code,
      status: statusOf(last),
      text: this.#lines.join(" "),
      lines: this.#lines,
      garbage: this.#garbage,
    });
    this.#lines = [];
    this.#kept = 0;
    this.#tooMany = false;
    this.#bytes = 0;
    this.#garbage = false;
  }
}

function latin1(chunk: Uint8Array): string {
  return Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString("latin1");
}

/** Enhanced status of a reply's last line; one that contradicts the code does not count. */
function statusOf(line: string): string {
  const first = line[0];
  if (first !== "2" && first !== "4" && first !== "5") return "5.5.0";
  const match = ENHANCED.exec(line.slice(4).trimStart());
  return match !== null && match[0][0] === first ? match[0] : `${first}.0.0`;
}

/** A line's start; control characters and bytes that are not UTF-8 become `?`. */
function shown(line: string, limit: number): string {
  const cut = line.length > limit ? line.slice(0, limit) : line;
  return /^[\x20-\x7e]*$/.test(cut) ? cut : printableBytes(Buffer.from(cut, "latin1"));
}
