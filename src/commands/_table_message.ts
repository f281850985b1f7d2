import type { ToolOptions } from "./_table_options.ts";

/** What a part's header says about its body. */
interface Content {
  readonly boundary: string | undefined;
  readonly isMessage: boolean;
  readonly isDigest: boolean;
}

const FIELD = /^([\x21-\x39\x3b-\x7e]+)[ \t]*:/;
const PLAIN: Content = { boundary: undefined, isMessage: false, isDigest: false };
const MESSAGE: Content = { boundary: undefined, isMessage: true, isDigest: false };

/** Reads a Content-Type field as far as the structure of a message needs it (RFC 2045 §5.1). */
function contentOf(field: string, before: Content): Content {
  const type = /^content-type:\s*([^\s;/]+)\s*\/\s*([^\s;]+)/i.exec(field);
  if (type === null) return before;
  const [main, sub] = [type[1]!.toLowerCase(), type[2]!.toLowerCase()];
  const boundary = /;\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]+))/i.exec(field);
  return {
    boundary: main === "multipart" ? boundary?.[1]?.replace(/\\(.)/g, "$1") ?? boundary?.[2] : undefined,
    isMessage: main === "message" && (sub === "rfc822" || sub === "global"),
    isDigest: main === "multipart" && sub === "digest",
  };
}

/** Walks a message line by line; a key for each header field and each body line that is asked for (postmap -b -h -m). */
class MessageKeys {
  readonly #options: Pick<ToolOptions, "body" | "header" | "mime">;
  #inHeader = true;
  #field: string | undefined;
  #content = PLAIN;
  /** Boundaries of the multiparts that are open, outermost first. */
  readonly #boundaries: { readonly text: string; readonly isDigest: boolean }[] = [];
  readonly keys: string[] = [];

  constructor(options: Pick<ToolOptions, "body" | "header" | "mime">) {
    this.#options = options;
  }

  line(line: string): void {
    if (this.#inHeader) this.#headerLine(line);
    else this.#bodyLine(line);
  }

  finish(): void {
    this.#endField();
  }

  #body(line: string): void {
    if (this.#options.body) this.keys.push(line);
  }

  #endField(): void {
    const field = this.#field;
    this.#field = undefined;
    if (field === undefined) return;
    if (this.#options.header) this.keys.push(field);
    if (this.#options.mime) this.#content = contentOf(field, this.#content);
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
    this.#endHeader();
    if (line !== "") this.line(line);
  }

  /** The empty line is a body line too; what follows depends on the header. */
  #endHeader(): void {
    const { boundary, isMessage, isDigest } = this.#content;
    this.#body("");
    if (boundary !== undefined) this.#boundaries.push({ text: `--${boundary}`, isDigest });
    this.#inHeader = isMessage;
    this.#content = PLAIN;
  }

  #bodyLine(line: string): void {
    this.#body(line);
    for (let at = this.#boundaries.length - 1; at >= 0; at--) {
      const { text, isDigest } = this.#boundaries[at]!;
      if (!line.startsWith(text)) continue;
      const isLast = line.startsWith("--", text.length);
      this.#boundaries.length = isLast ? at : at + 1;
      this.#inHeader = !isLast;
      this.#content = isDigest ? MESSAGE : PLAIN;
      return;
    }
  }
}

/** Keys of a message for -b, -h and -m: header fields with their continuation lines, body lines. */
export function messageKeys(
  message: Buffer,
  options: Pick<ToolOptions, "body" | "header" | "mime">,
): Buffer[] {
  const walk = new MessageKeys(options);
  const lines = message.toString("latin1").split("\n");
  if (lines.at(-1) === "") lines.pop();
  for (const line of lines) walk.line(line);
  walk.finish();
  return walk.keys.map((key) => Buffer.from(key, "latin1"));
}
