import { type Entity, type MimeEvent, MimeWalker, type WalkLimits } from "./mime_walker.ts";
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
  readonly #encoder = new QuotedPrintable();
  /** The encoder has the beginning of a line. */
  #openLine: Body | undefined;

  constructor(limits: WalkLimits) {
    this.#walker = new MimeWalker({
      lineEnd: "\r\n",
      structure: true,
      wholeLines: true,
      encodes: true,
      limits,
    });
  }

  push(chunk: Buffer): readonly MimeEvent[] {
    return this.#converted(this.#walker.push(chunk));
  }

  beginContent(top?: string): readonly MimeEvent[] {
    return this.#converted(this.#walker.beginContent(top));
  }

  end(): readonly MimeEvent[] {
    const events = this.#converted(this.#walker.end());
    if (this.#openLine === undefined) return events;
    return [...events, { ...this.#openLine, bytes: latin1(this.#encoder.endOfLine()), begins: false }];
  }

  #converted(events: readonly MimeEvent[]): readonly MimeEvent[] {
    return events.flatMap((event) => this.#convert(event));
  }

  #convert(event: MimeEvent): MimeEvent | readonly MimeEvent[] {
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

const DECLARATION = "content-transfer-encoding";

/** Declared as 8bit or binary. */
const isWide = ({ encoding }: Entity) => encoding.domain !== "7bit";

/** What nests is not encoded itself, its parts are. */
function declarationFor({ place, entity }: Extract<MimeEvent, { readonly is: "headerEnd" }>): MimeEvent {
  const nests = entity.type === "multipart" || (entity.type === "message" && entity.subtype !== "global");
  const text = `Content-Transfer-Encoding: ${nests ? "7bit" : "quoted-printable"}\r\n`;
  return { is: "field", place, name: DECLARATION, text, entity };
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
