/** A server's answer, whole. */
export interface HttpResponse {
  readonly status: number;
  /** Lower-case names; of a field that comes more than once, the values joined by commas. */
  readonly fields: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** Bytes of status line and header fields. */
const HEAD_LIMIT = 16_384;
/** Interim answers (1xx) before the real one. */
const MOST_INTERIM = 8;

/** What is wrong with an answer. */
export class BadResponse extends Error {
  override readonly name = "BadResponse";
}

/**
 * Puts an answer together as it comes (RFC 9112). The connection serves one request, so what follows the answer is of no interest.
 * Throws a BadResponse for what is none, and for one that is larger than it may be.
 */
export class ResponseReader {
  readonly #bodyLimit: number;
  #head: HttpHead | undefined;
  #interim = 0;
  #rest: Buffer = Buffer.alloc(0);
  readonly #body: Buffer[] = [];
  #size = 0;
  /** Bytes of the chunk or the body that are still to come; what a chunk's size line says is added to it. */
  #due = 0;
  #chunkState: "size" | "data" | "end" | "trailer" = "size";

  constructor(bodyLimit: number) {
    this.#bodyLimit = bodyLimit;
  }

  /** Takes bytes in; answers the response once it is whole. */
  push(bytes: Buffer): HttpResponse | undefined {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    for (;;) {
      if (this.#head === undefined) {
        if (!this.#takeHead()) return undefined;
        continue;
      }
      return this.#takeBody(this.#head) ? this.#whole(this.#head) : undefined;
    }
  }

  /** The server has closed: only a body without a length ends so. */
  end(): HttpResponse {
    const head = this.#head;
    if (head === undefined || head.framing !== "close") throw new BadResponse("the answer is cut off");
    return this.#whole(head);
  }

  #whole({ status, fields }: HttpHead): HttpResponse {
    return { status, fields, body: Buffer.concat(this.#body) };
  }

  /** Takes a head off the front; false when it is not whole. Interim answers are passed over. */
  #takeHead(): boolean {
    const end = this.#rest.indexOf("\r\n\r\n");
    if (end < 0 ? this.#rest.length > HEAD_LIMIT : end > HEAD_LIMIT) {
      throw new BadResponse("its head is too long");
    }
    if (end < 0) return false;
    const head = parseHead(this.#rest.subarray(0, end).toString("latin1"));
    this.#rest = this.#rest.subarray(end + 4);
    if (head.status < 200) {
      if (++this.#interim > MOST_INTERIM || head.status === 101) throw new BadResponse("it is not an answer");
      return true;
    }
    this.#head = head;
    this.#due = typeof head.framing === "number" ? head.framing : 0;
    if (this.#due > this.#bodyLimit) this.#tooLarge();
    return true;
  }

  /** Takes what has come of the body; true when it is whole. */
  #takeBody({ framing }: HttpHead): boolean {
    if (framing === "chunked") return this.#takeChunks();
    if (framing === "close") {
      this.#keep(this.#rest);
      this.#rest = Buffer.alloc(0);
      return false;
    }
    return this.#takeDue();
  }

  #takeDue(): boolean {
    const part = this.#rest.subarray(0, this.#due);
    this.#keep(part);
    this.#rest = this.#rest.subarray(part.length);
    this.#due -= part.length;
    return this.#due === 0;
  }

  #takeChunks(): boolean {
    for (;;) {
      if (this.#chunkState === "data") {
        if (!this.#takeDue()) return false;
        this.#chunkState = "end";
      }
      const line = this.#takeLine();
      if (line === undefined) return false;
      if (this.#chunkState === "trailer") {
        if (line === "") return true;
      } else if (this.#chunkState === "end") {
        if (line !== "") throw new BadResponse("a chunk is longer than it says");
        this.#chunkState = "size";
      } else this.#beginChunk(line);
    }
  }

  #beginChunk(line: string): void {
    const size = /^([0-9a-f]{1,8})[ \t]*(?:;.*)?$/i.exec(line)?.[1];
    if (size === undefined) throw new BadResponse("a chunk has no size");
    this.#due = Number.parseInt(size, 16);
    if (this.#size + this.#due > this.#bodyLimit) this.#tooLarge();
    this.#chunkState = this.#due === 0 ? "trailer" : "data";
  }

  /** A line of the chunked framing. */
  #takeLine(): string | undefined {
    const end = this.#rest.indexOf("\r\n");
    if (end < 0 ? this.#rest.length > HEAD_LIMIT : end > HEAD_LIMIT) {
      throw new BadResponse("a line is too long");
    }
    if (end < 0) return undefined;
    const line = this.#rest.subarray(0, end).toString("latin1");
    this.#rest = this.#rest.subarray(end + 2);
    return line;
  }

  #keep(part: Buffer): void {
    this.#size += part.length;
    if (this.#size > this.#bodyLimit) this.#tooLarge();
    if (part.length > 0) this.#body.push(part);
  }

  #tooLarge(): never {
    throw new BadResponse(`it is larger than ${this.#bodyLimit} bytes`);
  }
}

interface HttpHead {
  readonly status: number;
  readonly fields: ReadonlyMap<string, string>;
  /** How the end of the body is found: a length, chunks, or the end of the connection (RFC 9112 §6.3). */
  readonly framing: number | "chunked" | "close";
}

function parseHead(text: string): HttpHead {
  const [first = "", ...lines] = text.split("\r\n");
  const status = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(first)?.[1] ?? 0);
  if (status < 100) throw new BadResponse("it is not HTTP/1.1");
  const fields = new Map<string, string>();
  for (const line of lines) {
    const field = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line);
    if (field === null || /[\r\n\0]/.test(line)) throw new BadResponse("a header field is malformed");
    const name = field[1]!.toLowerCase();
    const before = fields.get(name);
    fields.set(name, before === undefined ? field[2]! : `${before}, ${field[2]!}`);
  }
  return { status, fields, framing: framingOf(status, fields) };
}

function framingOf(status: number, fields: ReadonlyMap<string, string>): HttpHead["framing"] {
  if (status === 204 || status === 304) return 0;
  const coding = fields.get("transfer-encoding");
  if (coding !== undefined) {
    if (coding.toLowerCase() !== "chunked") {
      throw new BadResponse(`its transfer encoding is ${coding.slice(0, 30)}`);
    }
    return "chunked";
  }
  const length = fields.get("content-length");
  if (length === undefined) return "close";
  if (!/^\d{1,15}$/.test(length)) throw new BadResponse("its length is malformed");
  return Number(length);
}
