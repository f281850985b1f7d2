/** Longer headers are not looked at to their end: who hides something there is told apart by `isCut`. */
const MOST = 262_144;
const FIRST = 8192;

const BLANK_LINE = "\r\n\r\n";

/** Who is told of the parts. */
export interface ContentParts {
  /** Whole fields in wire form, one character a byte, from the top. */
  header(fields: readonly string[]): void;
  body(bytes: Uint8Array): void;
}

/** Parts a message as it comes, in wire form and in pieces of any size, into its header and its body. */
export class ContentSplitter {
  readonly #parts: ContentParts;
  #head: Buffer | undefined = Buffer.allocUnsafe(FIRST);
  #size = 0;
  /** The header is longer than anybody looks at: the rest of it counts as body. */
  isCut = false;

  constructor(parts: ContentParts) {
    this.#parts = parts;
  }

  push(bytes: Uint8Array): void {
    const head = this.#head;
    if (head === undefined) return this.#parts.body(bytes);
    const taken = Math.min(bytes.length, MOST - this.#size);
    const at = this.#size;
    const grown = this.#grown(head, at + taken);
    grown.set(bytes.subarray(0, taken), at);
    this.#size = at + taken;
    const end = this.#headerEnd(grown.subarray(0, this.#size), at);
    if (end !== undefined) return this.#end(grown, end.header, end.body, bytes.subarray(taken));
    if (this.#size < MOST) return;
    this.isCut = true;
    this.#end(grown, this.#size, this.#size, bytes.subarray(taken));
  }

  #grown(head: Buffer, size: number): Buffer {
    if (size <= head.length) return head;
    const grown = Buffer.allocUnsafe(Math.min(MOST, Math.max(size, head.length * 2)));
    grown.set(head.subarray(0, this.#size));
    return this.#head = grown;
  }

  /** Where the header ends and where the body begins. */
  #headerEnd(head: Buffer, from: number): { readonly header: number; readonly body: number } | undefined {
    if (head.length >= 2 && head[0] === 13 && head[1] === 10) return { header: 0, body: 2 };
    const at = head.indexOf(BLANK_LINE, Math.max(0, from - 3), "latin1");
    return at < 0 ? undefined : { header: at + 2, body: at + 4 };
  }

  #end(head: Buffer, header: number, body: number, rest: Uint8Array): void {
    this.#head = undefined;
    this.#parts.header(fieldsOf(head.toString("latin1", 0, header)));
    if (body < this.#size) this.#parts.body(head.subarray(body, this.#size));
    if (rest.length > 0) this.#parts.body(rest);
  }

  /** All has come: what has no blank line is all header. */
  end(): void {
    if (this.#head !== undefined) this.#end(this.#head, this.#size, this.#size, this.#head.subarray(0, 0));
  }
}

const FOLD = /\r\n(?![ \t])/;

function fieldsOf(head: string): string[] {
  const text = head.endsWith("\r\n") ? head.slice(0, -2) : head;
  return text === "" ? [] : text.split(FOLD).map((field) => `${field}\r\n`);
}
