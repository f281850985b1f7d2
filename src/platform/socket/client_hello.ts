import { GatheredBytes } from "../../base/gathered_bytes.ts";

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

/** A client's first message, `incomplete` while more of it must come, or `other`: the library will say what is wrong with that. */
type Read = ClientHello | "incomplete" | "other";

/** Reads a client's first message from all bytes that have come. What is none does not have to be waited for. */
export function readClientHello(bytes: Buffer): Read {
  return new ClientHelloReader().read(bytes);
}

/** The same, as the bytes come: however small the packets and the records in them are, each is gone over once. */
export class ClientHelloReader {
  /** Of records that are whole. */
  readonly #message = new GatheredBytes();
  /** Where the first record begins that is not. */
  #at = 0;

  /** `bytes` is all that has come, each time. */
  read(bytes: Buffer): Read {
    const message = this.#messageIn(bytes);
    if (typeof message === "string") return message;
    try {
      return parse(new Reader(message));
    } catch (error) {
      if (error instanceof RangeError) return "other";
      throw error;
    }
  }

  /** The first handshake message, which may come in several records. */
  #messageIn(bytes: Buffer): Buffer | "incomplete" | "other" {
    if (!this.#takeRecords(bytes)) return "other";
    const begun = bytes.subarray(this.#at + HEAD.record);
    const head = Buffer.concat([
      this.#message.bytes.subarray(0, HEAD.message),
      begun.subarray(0, HEAD.message),
    ]);
    if (head.length >= HEAD.message) {
      const whole = HEAD.message + head.readUIntBE(1, 3);
      if (head[0] !== CLIENT_HELLO || whole > LONGEST_HELLO) return "other";
      if (this.#message.length + begun.length >= whole) {
        return Buffer.concat([this.#message.bytes, begun]).subarray(HEAD.message, whole);
      }
    }
    const isRecord = bytes.length === 0 || bytes[0] === HANDSHAKE;
    return isRecord && bytes.length < LONGEST_HELLO ? "incomplete" : "other";
  }

  /** Bytes of the message, as its head says. */
  #whole(): number {
    const { length, bytes } = this.#message;
    return length < HEAD.message ? Infinity : HEAD.message + bytes.readUIntBE(1, 3);
  }

  /** Takes the records that are whole, as far as the message goes; false when one is none of a handshake. */
  #takeRecords(bytes: Buffer): boolean {
    while (this.#message.length < this.#whole() && this.#at + HEAD.record <= bytes.length) {
      const size = bytes.readUInt16BE(this.#at + 3);
      if (bytes[this.#at] !== HANDSHAKE || bytes[this.#at + 1] !== 3 || size === 0) return false;
      const next = this.#at + HEAD.record + size;
      if (next > bytes.length) break;
      this.#message.add(bytes.subarray(this.#at + HEAD.record, next));
      this.#at = next;
    }
    return true;
  }
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
