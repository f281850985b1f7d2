/** What a client says before anything is encrypted (RFC 8446 §4.1.2), as far as anybody here asks. */
export interface ClientHello {
  /** The name that it asks for (SNI), as it spells it. */
  readonly serverName: string | undefined;
  /** Groups that it can agree on keys in, and what it takes as signatures: numbers of IANA's registries. */
  readonly groups: readonly number[];
  readonly signatures: readonly number[];
}

/** Bytes of a record's head, and of a handshake message's. */
const HEAD = { record: 5, message: 4 } as const;
const [HANDSHAKE, CLIENT_HELLO] = [22, 1];
/** No client's hello comes near to this; the library takes 16 KB. */
export const LONGEST_HELLO = 20_480;

/**
 * Reads a client's first message; `incomplete` while more of it must come. Whatever is none is "other": the library will say what is
 * wrong with it, and it does not have to be waited for.
 */
export function readClientHello(bytes: Buffer): ClientHello | "incomplete" | "other" {
  const message = firstMessage(bytes);
  if (typeof message === "string") return message;
  try {
    return parse(new Reader(message));
  } catch (error) {
    if (error instanceof RangeError) return "other";
    throw error;
  }
}

/** The first handshake message, which may come in several records. */
function firstMessage(bytes: Buffer): Buffer | "incomplete" | "other" {
  const pieces: Buffer[] = [];
  let [at, length, whole] = [0, 0, 0];
  while (at + HEAD.record <= bytes.length) {
    const size = bytes.readUInt16BE(at + 3);
    if (bytes[at] !== HANDSHAKE || bytes[at + 1] !== 3 || size === 0) return "other";
    const piece = bytes.subarray(at + HEAD.record, at + HEAD.record + size);
    pieces.push(piece);
    length += piece.length;
    at += HEAD.record + size;
    if (whole === 0 && length >= HEAD.message) {
      const head = Buffer.concat(pieces);
      whole = HEAD.message + head.readUIntBE(1, 3);
      if (head[0] !== CLIENT_HELLO || whole > LONGEST_HELLO) return "other";
    }
    if (whole > 0 && length >= whole) return Buffer.concat(pieces).subarray(HEAD.message, whole);
  }
  const isRecord = bytes.length === 0 || bytes[0] === HANDSHAKE;
  return isRecord && bytes.length < LONGEST_HELLO ? "incomplete" : "other";
}

/** Takes fields off the front; throws RangeError when there are none. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  number(size: 1 | 2): number {
    const value = this.#bytes.readUIntBE(this.#at, size);
    this.#at += size;
    return value;
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new RangeError("cut short");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** A field with its length before it. */
  field(size: 1 | 2): Buffer {
    return this.take(this.number(size));
  }
}

const EXTENSION = { serverName: 0, groups: 10, signatures: 13 } as const;

function parse(hello: Reader): ClientHello {
  hello.take(2 + 32);
  hello.field(1);
  hello.field(2);
  hello.field(1);
  const found = new Map<number, Buffer>();
  const extensions = new Reader(hello.isAtEnd ? Buffer.alloc(0) : hello.field(2));
  while (!extensions.isAtEnd) found.set(extensions.number(2), extensions.field(2));
  return {
    serverName: nameIn(found.get(EXTENSION.serverName)),
    groups: numbersIn(found.get(EXTENSION.groups)),
    signatures: numbersIn(found.get(EXTENSION.signatures)),
  };
}

/** RFC 6066 §3: a list of names, of which only host_name (0) has been defined. */
function nameIn(extension: Buffer | undefined): string | undefined {
  if (extension === undefined) return undefined;
  const names = new Reader(new Reader(extension).field(2));
  const type = names.number(1);
  const name = names.field(2).toString("latin1");
  return type === 0 && name !== "" ? name : undefined;
}

function numbersIn(extension: Buffer | undefined): number[] {
  if (extension === undefined) return [];
  const list = new Reader(new Reader(extension).field(2));
  const numbers: number[] = [];
  while (!list.isAtEnd) numbers.push(list.number(2));
  return numbers;
}
