import type { Encoding } from "./content_type.ts";
import { decodeBody } from "./decode_body.ts";
import { type Entity, MimeWalker } from "./mime_walker.ts";

/** A body in a message that has no bodies inside. */
export interface Attachment {
  /** The name of the file that it says it is, as the field has it; "" when it says none. */
  readonly name: string;
  readonly bytes: Buffer;
}

const LIMITS = { line: 2048, header: 102_400, boundary: 2048, nesting: 20 };
const DASHES = Buffer.from("--");

/** The bodies of a message, its own or those of its parts and attached messages, decoded; at most so many. */
export function attachmentsOf(message: Buffer, most: number): readonly Attachment[] {
  const gathering = new Gathering(most);
  const lineEnd = message.subarray(0, 10_000).includes("\r\n") ? "\r\n" : "\n";
  const walker = new MimeWalker({ lineEnd, structure: true, limits: LIMITS });
  for (const events of [walker.push(message), walker.end()]) {
    for (const event of events) {
      if (event.is === "field") gathering.field(event.name, event.text);
      if (event.is === "headerEnd") gathering.begin(event.entity);
      if (event.is === "body") gathering.body(event.bytes, event.begins);
    }
  }
  return gathering.all();
}

const FILE_NAME = /\b(?:file)?name\s*=\s*(?:"([^"]{1,300})"|([^\s;"]{1,300}))/i;

class Gathering {
  readonly #most: number;
  readonly #found: Attachment[] = [];
  /** What the header that is being read says. */
  #nextName = "";
  #name = "";
  #encoding: Encoding | undefined;
  #pieces: Buffer[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  field(name: string, text: string): void {
    if (name !== "content-type" && name !== "content-disposition") return;
    const match = FILE_NAME.exec(text);
    if (match !== null && this.#nextName === "") this.#nextName = match[1] ?? match[2] ?? "";
  }

  begin({ type, encoding }: Entity): void {
    this.#end();
    [this.#name, this.#nextName] = [this.#nextName, ""];
    this.#encoding = type === "multipart" ? undefined : encoding;
  }

  body(bytes: Buffer, begins: boolean): void {
    const isOver = begins && this.#pieces.length > 0;
    if (this.#encoding !== undefined) this.#pieces.push(bytes);
    // What begins behind a body without a header is the last boundary, and what stands behind it.
    if (isOver) this.#end();
  }

  all(): readonly Attachment[] {
    this.#end();
    return this.#found;
  }

  /** The line with the boundary behind a body is none of it, nor is the line end before that, nor the blank line in front. */
  #end(): void {
    const [pieces, encoding] = [this.#pieces, this.#encoding];
    [this.#pieces, this.#encoding] = [[], undefined];
    if (encoding === undefined || this.#found.length >= this.#most) return;
    const isBounded = isBoundary(pieces.at(-1));
    if (isBounded) pieces.pop();
    const body = Buffer.concat(pieces);
    const end = isBounded ? body.length - lineEndAt(body, body.length - 2) : body.length;
    const bytes = decodeBody(body.subarray(lineEndAt(body, 0), end), encoding);
    if (bytes.length > 0) this.#found.push({ name: this.#name, bytes });
  }
}

function isBoundary(piece: Buffer | undefined): boolean {
  return piece !== undefined && piece.subarray(0, 2).equals(DASHES) &&
    piece.indexOf("\n") >= piece.length - 1;
}

/** Bytes of the line end at a place; at the last two of a text that may be the last one alone. */
function lineEndAt(body: Buffer, at: number): number {
  const text = body.toString("latin1", Math.max(at, 0), at + 2);
  if (text === "\r\n") return 2;
  return at === 0 ? Number(text.startsWith("\n")) : Number(text.endsWith("\n"));
}
