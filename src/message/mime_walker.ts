import { BoundaryStack, type Crossing } from "./boundary_stack.ts";
import {
  type BodyType,
  type Encoding,
  OTHER_BODY,
  PLAIN_TEXT,
  readContentType,
  readEncoding,
  SEVEN_BIT,
} from "./content_type.ts";

/** Whose header a field stands in: the message's, a part's of a multipart, or an attached message's. */
export type HeaderPlace = "primary" | "part" | "nested";

/** What a header says of the body behind it. */
export interface Entity extends BodyType {
  readonly encoding: Encoding;
}

/** What was found in a message, in its order. Together the texts and bytes are the message. */
export type MimeEvent =
  /** A field, with its line ends; `name` in lower case. `Name : x` has lost its blank, a NUL has ended its line. */
  | {
    readonly is: "field";
    readonly place: HeaderPlace;
    readonly name: string;
    readonly text: string;
    /** What has been said of the entity so far, this field included. */
    readonly entity: Entity;
  }
  | { readonly is: "headerEnd"; readonly place: HeaderPlace; readonly entity: Entity }
  /** Any stretch of a body, blank lines between header and body and lines with boundaries included. */
  | {
    readonly is: "body";
    readonly bytes: Buffer;
    /** A body begins here (body_checks_size_limit counts from here). */
    readonly begins: boolean;
    readonly encoding: Encoding;
  }
  /** A multipart that is nested too deeply: it is not looked into. `text` is the field that says so. */
  | { readonly is: "tooDeep"; readonly text: string };

/** How a message is walked through. */
export interface WalkOptions {
  /** Ends a line; CR LF, or LF alone for text files. */
  readonly lineEnd: "\r\n" | "\n";
  /** The structure is followed; otherwise all behind the header is body (disable_mime_input_processing). */
  readonly structure: boolean;
  /** Stretches of bodies end where lines end, or after `lineLimit` bytes of a line that is longer. */
  readonly wholeLines?: boolean;
  /** Declared 8-bit text will be encoded: then a `message/global` is one body (RFC 6532 §3.7). */
  readonly encodes?: boolean;
  readonly limits: WalkLimits;
}

/** What keeps memory bounded. */
export interface WalkLimits {
  /** line_length_limit: longer lines are read in pieces of so many bytes. */
  readonly line: number;
  /** header_size_limit: what of a field comes after so many bytes is dropped. */
  readonly header: number;
  /** mime_boundary_length_limit: so many bytes of a boundary are compared. */
  readonly boundary: number;
  /** mime_nesting_limit. */
  readonly nesting: number;
}

/** The limits as main.cf has them. */
export interface WalkParameters {
  readonly header_size_limit: number;
  readonly mime_boundary_length_limit: number;
  readonly mime_nesting_limit: number;
}

/** The limits of main.cf, and how long lines may be. */
export function walkLimits(parameters: WalkParameters, line: number): WalkLimits {
  return {
    line,
    header: parameters.header_size_limit,
    boundary: parameters.mime_boundary_length_limit,
    nesting: parameters.mime_nesting_limit,
  };
}

const LF = 10;
const CR = 13;
const DASH = 45;
const BLANK = 32;
const TAB = 9;
const FIELD = /^([!-9;-~]+)[ \t]*:/;
const MBOX_LINE = /^>*From /;
const MBOX_OR_FOLDED = /^(?:>*From |[ \t])/;
/** A field with its lines and nothing in it that has to be changed. */
const USUAL_FIELD = /([!-9;-~]+):[^\n\0]*\n(?:[ \t][^\n\0]*\n)*/y;
/** Bytes that are looked at for usual fields. Parts may have no header at all, and be many. */
const WINDOW = 4096;
const PART_WINDOW = 512;

/** The field that is being gathered. */
interface OpenField {
  readonly name: string;
  text: string;
  /** Bytes, line ends inside counted as one. */
  size: number;
}

/**
 * Walks through a message as its bytes come: header fields, bodies, and the headers of parts and attached messages in them
 * (RFC 2045, RFC 2046). It reads what Postfix reads, errors included: a part that a check does not look into is a way around
 * the check. Kept back is at most one field and one line; bodies are searched for boundaries, never looked at byte by byte.
 */
export class MimeWalker {
  readonly #options: WalkOptions;
  /** A line end and a blank line. */
  readonly #blank: string;
  #events: MimeEvent[] = [];
  #place: HeaderPlace | "body" = "primary";
  #entity: Entity = { ...PLAIN_TEXT, encoding: SEVEN_BIT };
  readonly #boundaries: BoundaryStack;
  #field: OpenField | undefined;
  /** A line that is not complete yet, as Latin-1. */
  #held = "";
  /** What comes next goes on with a line of which the beginning was a piece of its own. */
  #inLine = false;
  /** A body begins with the next line. */
  #begins = false;
  /** The next line is the first that was sent. */
  #top = false;

  constructor(options: WalkOptions) {
    this.#options = options;
    this.#blank = options.lineEnd + options.lineEnd;
    this.#boundaries = new BoundaryStack(options.limits.boundary);
  }

  /** What is complete with these bytes. Stretches of bodies are parts of `chunk`, not copies. */
  push(chunk: Buffer): readonly MimeEvent[] {
    let at = this.#held === "" ? 0 : this.#completeHeld(chunk);
    while (at < chunk.length) {
      at = this.#place === "body" ? this.#bodyFrom(chunk, at) : this.#headerFrom(chunk, at, this.#place);
    }
    return this.#take();
  }

  /**
   * What comes from here on was sent: mbox `From ` lines become fields, and a first line that is folded goes on no field of ours,
   * which `top` has, as Latin-1.
   */
  beginContent(top = ""): readonly MimeEvent[] {
    const read = top === "" ? 0 : this.#usualFields(top, "primary", true);
    const events = read < top.length ? this.push(Buffer.from(top.slice(read), "latin1")) : this.#take();
    this.#top = true;
    return events;
  }

  /** The message is over: what was kept back. */
  end(): readonly MimeEvent[] {
    const rest = this.#held;
    this.#held = "";
    if (rest !== "") this.#line(rest, "");
    this.#endField();
    if (this.#place !== "body") this.#endHeader();
    return this.#take();
  }

  #take(): readonly MimeEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Reads usual fields at once, and the end of the header behind them; else a line, as any are. Answers where to go on. */
  #headerFrom(chunk: Buffer, at: number, place: HeaderPlace): number {
    if (this.#inLine || (this.#field !== undefined && isBlank(chunk[at]!))) return this.#lineFrom(chunk, at);
    this.#endField();
    const text = this.#window(chunk, at, place === "primary" ? WINDOW : PART_WINDOW);
    if (this.#top && MBOX_OR_FOLDED.test(text)) return this.#lineFrom(chunk, at);
    const read = this.#usualFields(text, place);
    if (read === 0) return this.#lineFrom(chunk, at);
    this.#top = false;
    if (!text.startsWith(this.#options.lineEnd, read)) return at + read;
    return this.#blankLine(chunk, at + read);
  }

  /** What may be looked at for usual fields: no further than the header goes, so that little of a body is read twice. */
  #window(chunk: Buffer, at: number, most: number): string {
    const blank = chunk.indexOf(this.#blank, at);
    return chunk.toString(
      "latin1",
      at,
      blank < 0 ? at + most : Math.min(blank + this.#blank.length, at + most),
    );
  }

  /** The blank line behind a header: before a body it is the first of that. */
  #blankLine(chunk: Buffer, at: number): number {
    this.#enterBody("");
    if (this.#place === "body") return at;
    const end = at + this.#options.lineEnd.length;
    this.#emitBody(chunk.subarray(at, end));
    return end;
  }

  /** Takes fields that are neither long nor odd, and whole, the last one only if text goes on behind it or `ends`; answers how much that was. */
  #usualFields(text: string, place: HeaderPlace, ends = false): number {
    const { line, header } = this.#options.limits;
    const most = Math.min(line, header);
    for (let at = 0;;) {
      USUAL_FIELD.lastIndex = at;
      const match = USUAL_FIELD.exec(text);
      const end = at + (match?.[0].length ?? text.length);
      // The next line may go on with it, unless it is there and does not.
      if (match === null || (end === text.length && !ends) || text[end] === " " || text[end] === "\t") {
        return at;
      }
      if (end - at > most) return at;
      this.#emitField(place, match[1]!.toLowerCase(), match[0]);
      at = end;
    }
  }

  /** Where the line or piece of a line ends that starts at `at`, its line end included; undefined when that has not come. */
  #lineEndFrom(chunk: Buffer, at: number): number | undefined {
    const most = at + this.#options.limits.line;
    const lf = chunk.indexOf(LF, at);
    if (lf >= 0 && lf < most) return lf + 1;
    // A line end that is cut in two is no reason to cut the line.
    if (lf === most && lf > at && this.#options.lineEnd === "\r\n" && chunk[lf - 1] === CR) return lf + 1;
    return chunk.length > most ? most : undefined;
  }

  /** Reads the line that starts at `at`, or holds what there is of it; answers where the next starts. */
  #lineFrom(chunk: Buffer, at: number): number {
    const end = this.#lineEndFrom(chunk, at);
    const text = chunk.toString("latin1", at, end ?? chunk.length);
    if (end === undefined) this.#held = text;
    else this.#lineOrPiece(text);
    return end ?? chunk.length;
  }

  /** Goes on with the line that was kept back; looks only at what is new. */
  #completeHeld(chunk: Buffer): number {
    const { lineEnd, limits } = this.#options;
    const lf = chunk.indexOf(LF);
    const room = limits.line - this.#held.length;
    const splitEnd = lf === room && lineEnd === "\r\n" &&
      (lf > 0 ? chunk[lf - 1] === CR : this.#held.endsWith("\r"));
    const isWhole = lf >= 0 && (lf < room || splitEnd);
    if (!isWhole && chunk.length <= room) {
      this.#held += chunk.toString("latin1");
      return chunk.length;
    }
    const taken = isWhole ? lf + 1 : room;
    const text = this.#held + chunk.toString("latin1", 0, taken);
    this.#held = "";
    this.#lineOrPiece(text);
    return taken;
  }

  /** A line with its line end, or without one a piece of a line. */
  #lineOrPiece(text: string): void {
    const [line, end] = this.#parted(text);
    this.#line(line, end === "" ? undefined : end);
  }

  /** In wire form a lone LF does not occur; if it does, it ends the line too. */
  #parted(text: string): readonly [line: string, end: string] {
    const { lineEnd } = this.#options;
    const end = text.endsWith(lineEnd) ? lineEnd : text.endsWith("\n") ? "\n" : "";
    return [text.slice(0, text.length - end.length), end];
  }

  /** A line and its line end; undefined as line end: the line goes on. */
  #line(text: string, end: string | undefined): void {
    if (this.#top && !this.#inLine) text = this.#topLine(text);
    if (this.#place !== "body" && this.#headerLine(text, end)) {
      this.#inLine = end === undefined;
      return;
    }
    const crossing = this.#inLine ? undefined : this.#boundaries.cross(text);
    if (crossing !== undefined) this.#cross(crossing);
    this.#emitBody(Buffer.from(text + (end ?? ""), "latin1"));
    this.#inLine = end === undefined;
  }

  #topLine(text: string): string {
    if (MBOX_LINE.test(text)) return `X-Mailbox-Line: ${text}`;
    this.#top = false;
    if (text.startsWith(" ") || text.startsWith("\t")) this.#line("", this.#options.lineEnd);
    return text;
  }

  /** Takes a line of a header; false when it is none, and a body has begun with it. */
  #headerLine(text: string, end: string | undefined): boolean {
    const field = this.#field;
    if (field !== undefined) {
      if (this.#inLine || text.startsWith(" ") || text.startsWith("\t")) {
        this.#continueField(field, text, end);
        return true;
      }
      this.#endField();
    }
    const start = FIELD.exec(text);
    if (start !== null) {
      const name = start[1]!;
      const value = withoutNul(text.slice(start[0].length));
      this.#field = { name, text: `${name}:${value}${end ?? ""}`, size: name.length + 1 + value.length };
      return true;
    }
    this.#enterBody(text);
    return false;
  }

  #continueField(field: OpenField, text: string, end: string | undefined): void {
    if (field.size >= this.#options.limits.header) return;
    const more = withoutNul(text);
    field.text += more + (end ?? "");
    field.size += more.length + (this.#inLine ? 0 : 1);
  }

  #endField(): void {
    const field = this.#field;
    if (field === undefined) return;
    this.#field = undefined;
    const name = field.name.toLowerCase();
    const text = field.text.endsWith("\n") ? field.text : field.text + this.#options.lineEnd;
    if (this.#place !== "body") this.#emitField(this.#place, name, text);
  }

  #emitField(place: HeaderPlace, name: string, text: string): void {
    if (this.#options.structure && name.startsWith("content-t")) this.#readStructure(name, text);
    this.#events.push({ is: "field", place, name, text, entity: this.#entity });
  }

  #readStructure(name: string, text: string): void {
    const [value] = this.#parted(text.slice(name.length + 1));
    if (name === "content-transfer-encoding") {
      this.#entity = { ...this.#entity, encoding: readEncoding(value) ?? this.#entity.encoding };
    }
    if (name !== "content-type") return;
    const { body, boundaries, parts } = readContentType(value);
    this.#entity = { ...this.#entity, ...body };
    for (const boundary of boundaries) {
      // The outermost multipart is level 0 (mime_nesting_limit).
      if (this.#boundaries.depth - 1 <= this.#options.limits.nesting) {
        this.#boundaries.push(boundary, parts);
      } else this.#events.push({ is: "tooDeep", text });
    }
  }

  #endHeader(): void {
    if (this.#place !== "body") {
      this.#events.push({ is: "headerEnd", place: this.#place, entity: this.#entity });
    }
    this.#place = "body";
    this.#begins = true;
  }

  /** `line` ends a header: what follows is a body, or behind a blank line the header of an attached message. */
  #enterBody(line: string): void {
    const isPrimary = this.#place === "primary";
    this.#endHeader();
    if (line !== "") {
      // The line that is missing between the message's header and its body; parts stay as they were signed.
      if (isPrimary) this.#emitBody(Buffer.from(this.#options.lineEnd));
      this.#begins = true;
      return;
    }
    if (this.#entity.type === "multipart") this.#expect("body", OTHER_BODY);
    else if (this.#isAttached()) this.#expect("nested", PLAIN_TEXT);
  }

  #isAttached(): boolean {
    const { type, subtype, encoding } = this.#entity;
    if (type !== "message") return false;
    const opaque = this.#options.encodes === true && encoding.domain !== "7bit";
    return subtype === "rfc822" || (subtype === "global" && !opaque);
  }

  #expect(place: HeaderPlace | "body", body: BodyType): void {
    this.#place = place;
    this.#entity = { ...body, encoding: SEVEN_BIT };
  }

  #cross({ closes, parts }: Crossing): void {
    if (closes) this.#begins = true;
    this.#expect(closes ? "body" : "part", closes ? OTHER_BODY : parts);
  }

  #emitBody(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#events.push({ is: "body", bytes, begins: this.#begins, encoding: this.#entity.encoding });
    this.#begins = false;
  }

  /** Reads body bytes up to the next boundary, or all of them; answers where to go on. */
  #bodyFrom(chunk: Buffer, at: number): number {
    const boundary = this.#boundaries.depth === 0 ? -1 : this.#findBoundary(chunk, at);
    if (boundary < 0) return this.#bodyRest(chunk, at);
    if (boundary === at) return this.#lineFrom(chunk, at);
    this.#emitBody(chunk.subarray(at, boundary));
    this.#inLine = false;
    return boundary;
  }

  /** Where the next line starts that is complete and has a boundary; -1 when there is none. */
  #findBoundary(chunk: Buffer, at: number): number {
    if (!this.#inLine && this.#isBoundary(chunk, at)) return at;
    for (
      let next = this.#boundaries.search(chunk, at);
      next >= 0;
      next = this.#boundaries.search(chunk, next)
    ) {
      if (this.#isBoundary(chunk, next)) return next;
    }
    return -1;
  }

  #isBoundary(chunk: Buffer, at: number): boolean {
    if (chunk[at] !== DASH || chunk[at + 1] !== DASH) return false;
    const end = this.#lineEndFrom(chunk, at);
    if (end === undefined) return false;
    const most = Math.min(end, at + this.#boundaries.longest);
    return this.#boundaries.has(this.#parted(chunk.toString("latin1", at, most))[0]);
  }

  /** There is no boundary in what is left, but the last line is not complete. */
  #bodyRest(chunk: Buffer, at: number): number {
    const lastLine = chunk.lastIndexOf(LF) + 1;
    const line = Math.max(lastLine, at);
    const goesOn = lastLine <= at && this.#inLine;
    const held = this.#heldFrom(chunk, line, goesOn);
    if (held > at) this.#emitBody(chunk.subarray(at, held));
    this.#inLine = goesOn || held > line;
    if (held < chunk.length) this.#held = chunk.toString("latin1", held);
    return chunk.length;
  }

  /** From where on an incomplete line is kept back. `goesOn`: it has begun earlier. */
  #heldFrom(chunk: Buffer, line: number, goesOn: boolean): number {
    const { wholeLines, limits } = this.#options;
    const length = chunk.length - line;
    if (wholeLines) return line + (length > limits.line ? length - 1 - (length - 1) % limits.line : 0);
    const mayBeBoundary = !goesOn && this.#boundaries.depth > 0 && length <= limits.line &&
      chunk[line] === DASH && (length === 1 || chunk[line + 1] === DASH);
    return mayBeBoundary ? line : chunk.length;
  }
}

const isBlank = (byte: number) => byte === BLANK || byte === TAB;

function withoutNul(text: string): string {
  const nul = text.indexOf("\0");
  return nul < 0 ? text : text.slice(0, nul);
}
