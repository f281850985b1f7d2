import { GatheredBytes } from "../base/gathered_bytes.ts";
import { RESPONSES } from "./protocol.ts";

/** A packet, or a piece of one that brings a body: those are never held whole. */
export interface Packet {
  /** The character that says what it is. */
  readonly letter: string;
  readonly data: Buffer;
  /** More of the same packet follows. */
  readonly more: boolean;
}

/** The stream is no sequence of packets. */
export interface BadPacket {
  readonly bad: string;
}

/** Longest packet that is no body: libmilter itself sends no more than 64 KiB, or a mebibyte where that was agreed on. */
const MOST = 1_048_576 + 5;
/** Postfix's own limit, in its words. */
const UNREASONABLE = 0x3fff_ffff;

/** Cuts what a filter sends into packets: four bytes of length, a letter, data. */
export class PacketReader {
  readonly #bytes = new GatheredBytes();
  /** Of the packet with a body that is under way. */
  #left = 0;

  /** Whether nothing is left of what has come. */
  get isEmpty(): boolean {
    return this.#bytes.length === 0;
  }

  add(chunk: Buffer): void {
    if (chunk.length > 0) this.#bytes.add(chunk);
  }

  /** The next packet; undefined while it has not all come. */
  next(): Packet | BadPacket | undefined {
    if (this.#left > 0) return this.#piece(RESPONSES.replaceBody);
    if (this.#bytes.length < 4) return undefined;
    const length = this.#bytes.bytes.readUInt32BE(0);
    const bad = badLength(length);
    if (bad !== undefined) return { bad };
    if (this.#bytes.length < 5) return undefined;
    const letter = String.fromCharCode(this.#bytes.bytes[4]!);
    if (letter === RESPONSES.replaceBody) {
      this.#bytes.take(5);
      this.#left = length - 1;
      return this.#left === 0
        ? { letter, data: Buffer.alloc(0), more: false }
        : this.#piece(letter) ?? { letter, data: Buffer.alloc(0), more: true };
    }
    if (length > MOST) return { bad: `unreasonable packet length: ${length} > ${MOST}` };
    if (this.#bytes.length < length + 4) return undefined;
    return { letter, data: this.#bytes.take(length + 4).subarray(5), more: false };
  }

  #piece(letter: string): Packet | undefined {
    const size = Math.min(this.#left, this.#bytes.length);
    if (size === 0) return undefined;
    this.#left -= size;
    return { letter, data: this.#bytes.take(size), more: this.#left > 0 };
  }
}

function badLength(length: number): string | undefined {
  if (length < 1 || length > 0x7fff_ffff) return `bad packet length: ${length | 0}`;
  return length > UNREASONABLE ? `unreasonable packet length: ${length} > ${UNREASONABLE}` : undefined;
}
