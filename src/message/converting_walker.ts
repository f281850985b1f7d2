import { type Entity, type MimeEvent, MimeWalker, type WalkLimits, type WalkOptions } from "./mime_walker.ts";
import { QuotedPrintable } from "./quoted_printable.ts";

const LF = 10;
const CR = 13;

/** What may stand in the place of a MimeWalker. */
export type Walker = Pick<MimeWalker, "push" | "beginContent" | "end">;

type Body = Extract<MimeEvent, { readonly is: "body" }>;

/**
 * Walks through a message in wire form as it is in 7 bits (RFC 6152 §3): text of parts that declare themselves 8bit or binary is
 * quoted-printable, and the declarations follow. What is not declared is left as it is, as in Postfix. Entities and encodings in
 * events are still those that came.
 */
export class ConvertingWalker implements Walker {
  readonly #walker: MimeWalker;
  readonly #converter = new SevenBitConverter();

  constructor(limits: WalkLimits) {
    this.#walker = new MimeWalker(convertibly(limits));
  }

  push(chunk: Buffer): readonly MimeEvent[] {
    return this.#converted(this.#walker.push(chunk));
  }

  beginContent(top?: string): readonly MimeEvent[] {
    return this.#converted(this.#walker.beginContent(top));
  }

  end(): readonly MimeEvent[] {
    return [...this.#converted(this.#walker.end()), ...this.#converter.end()];
  }

  #converted(events: readonly MimeEvent[]): readonly MimeEvent[] {
    return events.flatMap((event) => this.#converter.convert(event));
  }
}

/** How a message is walked through for `SevenBitConverter`. */
export function convertibly(limits: WalkLimits): WalkOptions {
  return { lineEnd: "\r\n", structure: true, wholeLines: true, encodes: true, limits };
}

/** Turns what a walker finds (`convertibly`), event by event, into what it is in 7 bits. */
export class SevenBitConverter {
  readonly #encoder = new QuotedPrintable();
  /** The encoder has the beginning of a line. */
  #openLine: Body | undefined;

  convert(event: MimeEvent): MimeEvent | readonly MimeEvent[] {
    switch (event.is) {
      case "field":
        // A declaration that would be wrong is left out; the right one follows at the end of the header.
        return isWide(event.entity) && event.name === DECLARATION ? [] : event;
      case "headerEnd":
        return isWide(event.entity) ? [declarationFor(event), event] : event;
      case "body":
        return event.encoding.domain === "7bit" ? event : { ...event, bytes: latin1(this.#encoded(event)) };
      case "tooDeep":
        return event;
    }
  }

  /** What is missing of the last line. */
  end(): readonly MimeEvent[] {
    if (this.#openLine === undefined) return [];
    return [{ ...this.#openLine, bytes: latin1(this.#encoder.endOfLine()), begins: false }];
  }

  /** Whole lines, or the beginning of one that is very long. */
  #encoded(body: Body): string {
    const { bytes } = body;
    let out = "";
    let at = 0;
    for (let lf = bytes.indexOf(LF); lf >= 0; lf = bytes.indexOf(LF, at)) {
      const end = lf > at && bytes[lf - 1] === CR ? lf - 1 : lf;
      out += this.#encoder.push(bytes.subarray(at, end)) + this.#encoder.endOfLine();
      at = lf + 1;
    }
    this.#openLine = at < bytes.length ? body : undefined;
    return at < bytes.length ? out + this.#encoder.push(bytes.subarray(at)) : out;
  }
}

/** The name of the field that declares an encoding. */
export const DECLARATION = "content-transfer-encoding";

/** Declared as 8bit or binary. */
export const isWide = ({ encoding }: Entity): boolean => encoding.domain !== "7bit";

/** What nests is not encoded itself, its parts are. */
function declarationFor({ place, entity }: Extract<MimeEvent, { readonly is: "headerEnd" }>): MimeEvent {
  return { is: "field", place, name: DECLARATION, text: `${sevenBitDeclaration(entity)}\r\n`, entity };
}

/** What takes the place of the declaration of an entity that was 8bit. */
export function sevenBitDeclaration({ type, subtype }: Entity): string {
  const nests = type === "multipart" || (type === "message" && subtype !== "global");
  return `Content-Transfer-Encoding: ${nests ? "7bit" : "quoted-printable"}`;
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
