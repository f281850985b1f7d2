import { DECODING_ERROR, LdapFault } from "./ldap_result_codes.ts";

/** Bytes of one message from a server; a larger one ends the connection. */
export const LARGEST_MESSAGE = 16 << 20;

/** An element of BER: its tag and where its content is. */
export interface Element {
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

const broken = (why: string) => new LdapFault(DECODING_ERROR, why);

/** The element at an offset; undefined when its header is not all there yet. Throws for what LDAP does not use (RFC 4511 §5.1). */
function elementAt(bytes: Buffer, at: number): Element | undefined {
  if (at + 2 > bytes.length) return undefined;
  const tag = bytes[at]!;
  if ((tag & 0x1f) === 0x1f) throw broken("a tag of several bytes");
  const first = bytes[at + 1]!;
  if (first < 0x80) return { tag, start: at + 2, end: at + 2 + first };
  const count = first & 0x7f;
  if (count === 0 || count > 4) throw broken("a length in an unknown form");
  if (at + 2 + count > bytes.length) return undefined;
  const start = at + 2 + count;
  return { tag, start, end: start + bytes.readUIntBE(at + 2, count) };
}

/** Cuts what comes from a server into messages. */
export class FrameSplitter {
  #pieces: Buffer[] = [];
  #have = 0;
  #need = 2;

  /** The messages that are whole now. Throws an LdapFault when it is no LDAP. */
  push(chunk: Buffer): Buffer[] {
    this.#pieces.push(chunk);
    this.#have += chunk.length;
    const frames: Buffer[] = [];
    if (this.#have < this.#need) return frames;
    let bytes = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces);
    for (let size = frameSize(bytes); size <= bytes.length; size = frameSize(bytes)) {
      frames.push(bytes.subarray(0, size));
      bytes = bytes.subarray(size);
    }
    this.#pieces = bytes.length === 0 ? [] : [bytes];
    this.#have = bytes.length;
    this.#need = frameSize(bytes);
    return frames;
  }
}

/** Bytes of the message at the start, or more than there are when that is not known yet. */
function frameSize(bytes: Buffer): number {
  if (bytes.length > 0 && bytes[0] !== 0x30) throw broken("what the server says is no LDAP message");
  const element = elementAt(bytes, 0);
  if (element === undefined) return bytes.length + 1;
  if (element.end > LARGEST_MESSAGE) throw broken(`a message of ${element.end} bytes`);
  return element.end;
}

/** The elements between two offsets, which they must fill exactly. */
export function elements(bytes: Buffer, start: number, end: number): Element[] {
  const found: Element[] = [];
  for (let at = start; at < end;) {
    const element = elementAt(bytes, at);
    if (element === undefined || element.end > end) {
      throw broken("an element that is longer than what it is in");
    }
    found.push(element);
    at = element.end;
  }
  return found;
}
