import { type ContentToken, contentTypeParts } from "./_content_type.ts";
import type { ToolOptions } from "./_options.ts";

/** Which keys are asked for: header fields (-h), body lines (-b), and those of MIME parts and attached messages (-m). */
type Wanted = Pick<ToolOptions, "body" | "header" | "mime">;

/** What a header says of the body that follows it, as far as the structure of a message goes. */
type Content = "message" | "multipart" | "other";

/** Where a line belongs: the message's header, that of a part or an attached message, or a body. */
type Place = "header" | "inner header" | "body";

const FIELD = /^([\x21-\x39\x3b-\x7e]+)[ \t]*:/;
/** mime_nesting_limit, mime_boundary_length_limit. */
const DEEPEST = 100;
const LONGEST_BOUNDARY = 2048;

const is = (token: ContentToken | undefined, word: string) =>
  token?.type === "token" && token.value.toLowerCase() === word;

/** Walks a message line by line; a key for each header field and each body line that is asked for (postmap -b -h -m). */
class MessageKeys {
  readonly #wanted: Wanted;
  #place: Place = "header";
  #field: string | undefined;
  #content: Content = "other";
  /** Boundaries of the multiparts that are open, outermost first, and what their parts are unless they say it. */
  readonly #boundaries: { readonly text: string; readonly content: Content }[] = [];
  readonly keys: string[] = [];

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
  }

  line(line: string): void {
    if (this.#place === "body") this.#bodyLine(line);
    else this.#headerLine(line);
  }

  finish(): void {
    this.#endField();
  }

  #headerLine(line: string): void {
    if (/^[ \t]/.test(line) && this.#field !== undefined) {
      this.#field += `\n${line}`;
      return;
    }
    this.#endField();
    const field = FIELD.exec(line);
    if (field !== null) {
      this.#field = `${field[1]}:${line.slice(field[0].length)}`;
      return;
    }
    const isFirst = this.#place === "header";
    this.#place = "body";
    if (line === "") {
      this.#bodyLine("");
      this.#enterBody();
    } else {
      if (isFirst && this.#wanted.body) this.keys.push(""); // the blank line that is missing
      this.#bodyLine(line);
    }
  }

  #endField(): void {
    const field = this.#field;
    this.#field = undefined;
    if (field === undefined) return;
    if (this.#wanted.header) this.keys.push(field);
    if (this.#wanted.mime && /^content-type:/i.test(field)) this.#readContentType(field);
  }

  /** A boundary counts from where it is said, and so does each of several (mime_state.c's way of hiding nothing). */
  #readContentType(field: string): void {
    const [type, ...parameters] = contentTypeParts(field.slice("content-type:".length));
    if (type === undefined || type.length === 0) return;
    const subtype = type[1]?.type === "/" ? type[2] : undefined;
    if (is(type[0], "message")) {
      this.#content = is(subtype, "rfc822") || is(subtype, "global") ? "message" : "other";
      return;
    }
    this.#content = is(type[0], "multipart") ? "multipart" : "other";
    if (this.#content === "other") return;
    const content = is(subtype, "digest") ? "message" : "other";
    for (const [name, equals, value] of parameters) {
      if (!is(name, "boundary") || equals?.type !== "=" || value === undefined) continue;
      if (this.#boundaries.length > DEEPEST) continue;
      this.#boundaries.push({ text: `--${value.value.slice(0, LONGEST_BOUNDARY)}`, content });
    }
  }

  /** Behind a blank line: an attached message begins with its own header. */
  #enterBody(): void {
    if (this.#content === "message") this.#place = "inner header";
    this.#content = "other";
  }

  #bodyLine(line: string): void {
    if (this.#wanted.body) this.keys.push(line);
    if (line.length <= 2 || !line.startsWith("--")) return;
    for (let at = this.#boundaries.length - 1; at >= 0; at--) {
      const { text, content } = this.#boundaries[at]!;
      if (!line.startsWith(text)) continue;
      const isLast = line.startsWith("--", text.length);
      this.#boundaries.length = isLast ? at : at + 1;
      if (!isLast) this.#place = "inner header";
      this.#content = isLast ? "other" : content;
      return;
    }
  }
}

/** Keys of a message for -b, -h and -m: header fields with their continuation lines, body lines. */
export function messageKeys(message: Buffer, wanted: Wanted): Buffer[] {
  const walk = new MessageKeys(wanted);
  const lines = message.toString("latin1").split("\n");
  if (lines.at(-1) === "") lines.pop();
  for (const line of lines) walk.line(line);
  walk.finish();
  return walk.keys.map((key) => Buffer.from(key, "latin1"));
}
