import { type Entity, type MimeEvent, MimeWalker, type WalkLimits } from "../../../message/mime_walker.ts";
import type { ContentFilter } from "./content_sender.ts";
import { type Failure, localFailure } from "../failure.ts";
import { QuotedPrintable } from "./quoted_printable.ts";

const LF = 10;
const CR = 13;

/**
 * Turns 8-bit content into quoted-printable for a server without 8BITMIME (RFC 6152 §3): text of parts that declare themselves
 * 8bit or binary is encoded, the declarations follow. What is not declared is left as it is, as in Postfix.
 */
export class MimeDowngrade implements ContentFilter {
  failure: Failure | undefined;
  readonly #walker: MimeWalker;
  readonly #encoder = new QuotedPrintable();
  /** The encoder has the beginning of a line. */
  #inLine = false;

  constructor(limits: WalkLimits) {
    this.#walker = new MimeWalker({
      lineEnd: "\r\n",
      structure: true,
      wholeLines: true,
      encodes: true,
      limits,
    });
  }

  push(chunk: Buffer): readonly Buffer[] {
    return this.#walker.push(chunk).map((event) => this.#take(event));
  }

  end(): readonly Buffer[] {
    const rest = this.#walker.end().map((event) => this.#take(event));
    return this.#inLine ? [...rest, latin1(this.#encoder.endOfLine())] : rest;
  }

  #take(event: MimeEvent): Buffer {
    switch (event.is) {
      case "field":
        // A declaration that would be wrong is left out; the right one follows at the end of the header.
        return isWide(event.entity) && event.name === "content-transfer-encoding"
          ? NOTHING
          : latin1(event.text);
      case "headerEnd":
        return isWide(event.entity) ? latin1(declaration(event.entity)) : NOTHING;
      case "body":
        return event.encoding.domain === "7bit" ? event.bytes : latin1(this.#encoded(event.bytes));
      case "tooDeep":
        this.failure ??= localFailure("5.6.0", "MIME nesting exceeds safety limit");
        return NOTHING;
    }
  }

  /** Whole lines, or the beginning of one that is very long. */
  #encoded(bytes: Buffer): string {
    let out = "";
    let at = 0;
    for (let lf = bytes.indexOf(LF); lf >= 0; lf = bytes.indexOf(LF, at)) {
      const end = lf > at && bytes[lf - 1] === CR ? lf - 1 : lf;
      out += this.#encoder.push(bytes.subarray(at, end)) + this.#encoder.endOfLine();
      at = lf + 1;
    }
    this.#inLine = at < bytes.length;
    return this.#inLine ? out + this.#encoder.push(bytes.subarray(at)) : out;
  }
}

const NOTHING = Buffer.alloc(0);

/** Declared as 8bit or binary. */
const isWide = ({ encoding }: Entity) => encoding.domain !== "7bit";

/** What nests is not encoded itself, its parts are. */
function declaration({ type, subtype }: Entity): string {
  const nests = type === "multipart" || (type === "message" && subtype !== "global");
  return `Content-Transfer-Encoding: ${nests ? "7bit" : "quoted-printable"}\r\n`;
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
