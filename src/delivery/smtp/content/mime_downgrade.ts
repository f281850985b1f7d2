import type { ContentFilter } from "./content_sender.ts";
import { type Failure, localFailure } from "../failure.ts";
import { QuotedPrintable } from "./quoted_printable.ts";

const LF = 10;
const CR = 13;
const CRLF = Buffer.from("\r\n");
/** Bytes of a line that are gathered before it is passed on in pieces. */
const LINE_LIMIT = 16_384;
/** Bytes of one header block; more is passed on as it is. */
const HEADER_LIMIT = 1 << 20;
/** Multiparts within each other (mime_nesting_limit). */
const NESTING_LIMIT = 100;

/** What an entity's header says about its body. */
interface Entity {
  readonly type: string;
  readonly subtype: string;
  readonly boundary: string | undefined;
  /** Declared as 8bit or binary. */
  readonly wide: boolean;
}

/** Type of a part that declares none: in a digest it is a message (RFC 2046 §5.1.5). */
type DefaultType = "text/plain" | "message/rfc822";

interface Enclosing {
  readonly boundary: string;
  readonly partType: DefaultType;
}

/**
 * Turns 8-bit content into quoted-printable for a server without 8BITMIME (RFC 6152 §3): text of parts that declare themselves
 * 8bit or binary is encoded, the declarations follow. What is not declared is left as it is, as in Postfix.
 */
export class MimeDowngrade implements ContentFilter {
  failure: Failure | undefined;

  #rest: Buffer = Buffer.alloc(0);
  /** The rest continues a line of which pieces have been passed on. */
  #inLine = false;
  #inHeader = true;
  #header: Buffer[] = [];
  #headerSize = 0;
  #defaultType: DefaultType = "text/plain";
  #encoder: QuotedPrintable | undefined;
  readonly #enclosing: Enclosing[] = [];

  push(chunk: Buffer): readonly Buffer[] {
    const all = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const out: Buffer[] = [];
    let at = 0;
    for (let lf = all.indexOf(LF); lf >= 0; lf = all.indexOf(LF, at)) {
      const end = lf > at && all[lf - 1] === CR ? lf - 1 : lf;
      this.#line(all.subarray(at, end), out);
      at = lf + 1;
    }
    this.#rest = all.subarray(at);
    if (this.#rest.length > LINE_LIMIT) this.#passPiece(out);
    return out;
  }

  end(): readonly Buffer[] {
    const out: Buffer[] = [];
    if (this.#rest.length > 0 || this.#inLine) this.#line(this.#rest, out);
    if (this.#inHeader) this.#endHeader(out);
    return out;
  }

  /** A line too long to wait for its end; the last byte stays, it may be half a line end. */
  #passPiece(out: Buffer[]): void {
    if (this.#inHeader) this.#endHeader(out);
    this.#inHeader = false;
    const piece = this.#rest.subarray(0, -1);
    out.push(this.#encoder === undefined ? piece : latin1(this.#encoder.push(piece)));
    this.#rest = this.#rest.subarray(-1);
    this.#inLine = true;
  }

  /** A whole line, or the last piece of one. */
  #line(line: Buffer, out: Buffer[]): void {
    if (this.#inHeader && !this.#inLine) return this.#headerLine(line, out);
    if (!this.#inLine) this.#lookForBoundary(line);
    this.#inLine = false;
    if (this.#encoder !== undefined) {
      out.push(latin1(this.#encoder.push(line) + this.#encoder.endOfLine()));
    } else out.push(line, CRLF);
  }

  #headerLine(line: Buffer, out: Buffer[]): void {
    const continues = line[0] === 32 || line[0] === TAB;
    const isHeader = line.length > 0 &&
      (continues ? this.#header.length > 0 : HEADER_LINE.test(asLatin1(line)));
    if (!isHeader) {
      this.#endHeader(out);
      return line.length === 0 ? void out.push(CRLF) : this.#line(line, out);
    }
    this.#header.push(Buffer.from(line));
    this.#headerSize += line.length;
    if (this.#headerSize > HEADER_LIMIT) this.#endHeader(out);
  }

  /** Writes the gathered header with its declaration put right, and gets ready for the body. */
  #endHeader(out: Buffer[]): void {
    const fields = unfolded(this.#header);
    const entity = parseEntity(fields, this.#defaultType);
    for (const field of fields) {
      if (entity.wide && CTE_FIELD.test(field.text)) continue;
      for (const line of field.lines) out.push(line, CRLF);
    }
    const nests = entity.type === "multipart" || (entity.type === "message" && entity.subtype !== "global");
    if (entity.wide) {
      out.push(latin1(`Content-Transfer-Encoding: ${nests ? "7bit" : "quoted-printable"}\r\n`));
    }
    this.#header = [];
    this.#headerSize = 0;
    this.#enter(entity);
  }

  #enter(entity: Entity): void {
    const isMessage = entity.type === "message" &&
      (entity.subtype === "rfc822" || (entity.subtype === "global" && !entity.wide));
    this.#inHeader = isMessage;
    this.#defaultType = "text/plain";
    this.#encoder = entity.wide && entity.type !== "multipart" && !isMessage
      ? new QuotedPrintable()
      : undefined;
    if (entity.type !== "multipart" || entity.boundary === undefined) return;
    if (this.#enclosing.length >= NESTING_LIMIT) {
      this.failure = localFailure("5.6.0", "MIME nesting exceeds safety limit");
      return;
    }
    this.#enclosing.push({
      boundary: entity.boundary,
      partType: entity.subtype === "digest" ? "message/rfc822" : "text/plain",
    });
  }

  /** A boundary of any enclosing multipart ends what is inside it (RFC 2046 §5.1.2). */
  #lookForBoundary(line: Buffer): void {
    if (line[0] !== DASH || line[1] !== DASH || this.#enclosing.length === 0) return;
    const text = asLatin1(line.subarray(2, 2 + BOUNDARY_LIMIT));
    for (let i = this.#enclosing.length - 1; i >= 0; i--) {
      const { boundary, partType } = this.#enclosing[i];
      if (!text.startsWith(boundary)) continue;
      const closes = text.startsWith("--", boundary.length);
      this.#enclosing.length = closes ? i : i + 1;
      this.#inHeader = !closes;
      this.#defaultType = partType;
      this.#encoder = undefined;
      return;
    }
  }
}

const TAB = 9;
const DASH = 45;
/** Longest boundary plus its closing dashes (mime_boundary_length_limit). */
const BOUNDARY_LIMIT = 2048;
/** A declaration is read up to here. */
const FIELD_LIMIT = 4096;
const HEADER_LINE = /^[\x21-\x39\x3b-\x7e]+[ \t]*:/;
const CTE_FIELD = /^content-transfer-encoding[ \t]*:/i;

interface Field {
  readonly text: string;
  readonly lines: readonly Buffer[];
}

function unfolded(lines: readonly Buffer[]): readonly Field[] {
  const fields: { text: string; lines: Buffer[] }[] = [];
  for (const line of lines) {
    const last = fields.at(-1);
    if (last !== undefined && (line[0] === 32 || line[0] === TAB)) {
      last.text += asLatin1(line);
      last.lines.push(line);
    } else fields.push({ text: asLatin1(line), lines: [line] });
  }
  return fields;
}

function parseEntity(fields: readonly Field[], defaultType: DefaultType): Entity {
  const value = (name: RegExp) => fields.findLast(({ text }) => name.test(text))?.text.replace(/^[^:]*:/, "");
  const contentType = withoutComments(value(/^content-type[ \t]*:/i) ?? defaultType);
  const [type, subtype = ""] = contentType.split(";")[0].trim().toLowerCase().split(/\s*\/\s*/);
  const boundary = /;\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/i.exec(contentType);
  const encoding = withoutComments(value(CTE_FIELD) ?? "7bit").trim().toLowerCase();
  return {
    type,
    subtype,
    boundary: boundary === null
      ? undefined
      : (boundary[1]?.replace(/\\(.)/g, "$1") ?? boundary[2]).slice(0, BOUNDARY_LIMIT - 2) || undefined,
    wide: encoding === "8bit" || encoding === "binary",
  };
}

/** Takes `(comments)` out, which may hold anything (RFC 5322 §3.2.2); quoted strings stay. */
function withoutComments(field: string): string {
  const text = field.slice(0, FIELD_LIMIT);
  return text.replace(/"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)/g, (part) => part.startsWith("(") ? " " : part);
}

function asLatin1(bytes: Buffer): string {
  return bytes.toString("latin1");
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
