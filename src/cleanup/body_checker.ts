import { breather } from "../base/breather.ts";
import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import type { Checked, CheckRun } from "./check_run.ts";
import { type ContentChecks, isMimeHeader } from "./content_checks.ts";
import { fromBytesText } from "./latin1.ts";

/** Where a line belongs: a body, the headers of a part, or those of an attached message. */
type Place = "body" | "part" | "nested";

/** What a Content-Type says as far as structure goes (RFC 2046 §5.1, §5.2.1). */
export function readStructure(
  contentType: string,
): { readonly boundary?: string; readonly message?: boolean } {
  const type = /^\s*([\w-]+)\/([\w.+-]+)/.exec(contentType);
  if (type === null) return {};
  if (/^message$/i.test(type[1]!) && /^(?:rfc822|global)$/i.test(type[2]!)) return { message: true };
  if (!/^multipart$/i.test(type[1]!)) return {};
  const parameter = /;\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/i.exec(contentType);
  const boundary = parameter?.[1]?.replace(/\\(.)/g, "$1") ?? parameter?.[2];
  return boundary === undefined || boundary === "" ? {} : { boundary };
}

const HEADER_START = /^([!-9;-~]+)[ \t]*:/;

/**
 * Holds a body line by line against the tables, and follows the MIME structure so that the headers of parts meet theirs. Only
 * messages of services with such tables come here. What it keeps back is at most one line or header.
 */
export class BodyChecker {
  readonly #checks: ContentChecks;
  readonly #run: CheckRun;
  #place: Place = "body";
  readonly #boundaries: string[] = [];
  /** Bytes of this part that were looked at. */
  #looked = 0;
  #partial = "";
  /** The rest of a line that is too long passes unseen. */
  #passing = false;
  /** A part's header that may go on in the next line. */
  #header: string | undefined;
  #contentType = "";

  constructor(checks: ContentChecks, run: CheckRun, contentType: string) {
    this.#checks = checks;
    this.#run = run;
    this.#contentType = contentType;
    this.#enterBody();
    // The blank line between headers and body comes first.
    this.#beforeBody = true;
  }

  #beforeBody: boolean;

  push(bytes: Buffer): MaybeAsync<Buffer> {
    const piece = bytes.toString("latin1");
    const end = piece.lastIndexOf("\n") + 1;
    // What was kept back has no line end: only the new piece is searched.
    const lines = end === 0 ? [] : `${this.#partial}${piece.slice(0, end)}`.split("\r\n");
    lines.pop();
    this.#partial = end === 0 ? this.#partial + piece : piece.slice(end);
    if (this.#partial.length <= this.#checks.lineLimit) return then(this.#lines(lines, 0, ""), toBuffer);
    const long = this.#partial;
    this.#partial = "";
    return then(
      this.#lines(lines, 0, ""),
      (done) => then(this.#longPiece(long), (piece) => toBuffer(done + piece)),
    );
  }

  /** The end of the content: what is still kept back. */
  finish(): MaybeAsync<Buffer> {
    const rest = this.#partial;
    this.#partial = "";
    const line = rest === "" ? "" : then(this.#line(rest), (text) => text.replace(/\r\n$/, ""));
    return then(line, (text) => then(this.#endHeader(), (header) => toBuffer(header + text)));
  }

  /** A piece of a line over the limit: the first is checked, the rest passes. */
  #longPiece(piece: string): MaybeAsync<string> {
    if (this.#passing) return piece;
    return then(this.#endHeader(), (header) => {
      this.#passing = true;
      this.#place = "body";
      const checked = this.#checkBody(piece.slice(0, this.#checks.lineLimit));
      return then(checked, (result) => header + printed(result, piece, ""));
    });
  }

  #lines(lines: readonly string[], from: number, done: string): MaybeAsync<string> {
    for (let i = from; i < lines.length; i++) {
      const pause = i > from ? breather() : undefined;
      if (pause !== undefined) return pause.then(() => this.#lines(lines, i, done));
      const line = this.#line(lines[i]!);
      if (isPromise(line)) return line.then((text) => this.#lines(lines, i + 1, done + text));
      done += line;
    }
    return done;
  }

  #line(line: string): MaybeAsync<string> {
    if (this.#passing) {
      this.#passing = false;
      return `${line}\r\n`;
    }
    if (this.#beforeBody) {
      this.#beforeBody = false;
      if (line === "") return "\r\n";
    }
    if (line.startsWith("--") && this.#boundaries.length > 0 && this.#crossBoundary(line)) {
      return then(this.#endHeader(), (header) => `${header}${line}\r\n`);
    }
    return this.#place === "body" ? this.#bodyLine(line) : this.#headerLine(line);
  }

  #crossBoundary(line: string): boolean {
    for (let level = this.#boundaries.length - 1; level >= 0; level--) {
      const boundary = `--${this.#boundaries[level]}`;
      if (!line.startsWith(boundary)) continue;
      const last = line.startsWith("--", boundary.length);
      this.#boundaries.length = last ? level : level + 1;
      this.#place = last ? "body" : "part";
      this.#looked = 0;
      if (!last) this.#contentType = "";
      return true;
    }
    return false;
  }

  #enterBody(): void {
    this.#looked = 0;
    this.#place = "body";
    if (!this.#checks.parseMime || this.#boundaries.length >= this.#checks.nestingLimit) return;
    const { boundary, message } = readStructure(this.#contentType);
    this.#contentType = "";
    if (boundary !== undefined) this.#boundaries.push(boundary);
    else if (message) this.#place = "nested";
  }

  #bodyLine(line: string): MaybeAsync<string> {
    return then(this.#checkBody(line), (checked) => printed(checked, line, "\r\n"));
  }

  #checkBody(line: string): MaybeAsync<Checked> {
    const { body, bodyLimit } = this.#checks;
    if (body === undefined || this.#looked >= bodyLimit) return {};
    this.#looked += line.length + 2;
    return this.#run.check("body", fromBytesText(line), body);
  }

  #headerLine(line: string): MaybeAsync<string> {
    if (this.#header !== undefined && /^[ \t]/.test(line) && this.#header.length < 102_400) {
      this.#header += `\r\n${line}`;
      return "";
    }
    return then(this.#endHeader(), (before) => {
      if (HEADER_START.test(line)) {
        this.#header = line;
        return before;
      }
      this.#enterBody();
      return line === "" ? `${before}\r\n` : then(this.#bodyLine(line), (text) => before + text);
    });
  }

  #endHeader(): MaybeAsync<string> {
    const header = this.#header;
    if (header === undefined) return "";
    this.#header = undefined;
    const name = HEADER_START.exec(header)![1]!.toLowerCase();
    if (name === "content-type") this.#contentType = header.slice(header.indexOf(":") + 1);
    const { mime, nested } = this.#checks;
    const maps = this.#place === "nested" && !isMimeHeader(name) ? nested : mime;
    const text = fromBytesText(header);
    return then(this.#run.check("header", text, maps), (checked) => printed(checked, header, "\r\n"));
  }
}

function toBuffer(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

/** A line or header after its check, with its line end. */
function printed({ text, before = "" }: Checked, original: string, end: string): string {
  return before + (text ?? `${original}${end}`);
}
