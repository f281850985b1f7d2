/** One element of DER: its tag, its content, and all of it. */
export interface Element {
  readonly tag: number;
  readonly content: Buffer;
  readonly whole: Buffer;
}

/** Tags that certificates are made of (X.690 §8). */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  t61String: 0x14,
  utcTime: 0x17,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
} as const;

/** The elements that bytes are made of, one behind the other. Throws when they are not. */
export function elements(bytes: Buffer): readonly Element[] {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length;) {
    const element = elementAt(bytes, at);
    found.push(element);
    at += element.whole.length;
  }
  return found;
}

/** The one element that the bytes are. */
export function element(bytes: Buffer): Element {
  const [first, ...rest] = elements(bytes);
  if (first === undefined || rest.length > 0) throw new RangeError("not one DER element");
  return first;
}

function elementAt(bytes: Buffer, start: number): Element {
  const tag = bytes[start];
  const first = bytes[start + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) {
    throw new RangeError("bad DER element");
  }
  const more = first < 0x80 ? 0 : first & 0x7f;
  // No certificate comes near 4 GB, and DER has no indefinite length.
  if (first === 0x80 || more > 4 || start + 2 + more > bytes.length) throw new RangeError("bad DER length");
  const length = more === 0 ? first : bytes.readUIntBE(start + 2, more);
  const content = start + 2 + more;
  if (content + length > bytes.length) throw new RangeError("DER element cut short");
  return {
    tag,
    content: bytes.subarray(content, content + length),
    whole: bytes.subarray(start, content + length),
  };
}

/** An object identifier as text: `2.5.4.3`. */
export function identifierText(content: Buffer): string {
  const numbers: number[] = [];
  let value = 0;
  for (const byte of content) {
    value = value * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    if (numbers.length > 0) numbers.push(value);
    else numbers.push(Math.min(Math.floor(value / 40), 2), value - 40 * Math.min(Math.floor(value / 40), 2));
    value = 0;
  }
  return numbers.join(".");
}

/** A point in time, in milliseconds since 1970 (RFC 5280 §4.1.2.5). */
export function timeOf({ tag, content }: Element): number {
  const text = content.toString("latin1");
  const year = tag === TAG.utcTime ? (Number(text.slice(0, 2)) < 50 ? `20${text}` : `19${text}`) : text;
  const parts = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(year)?.slice(1).map(Number);
  if (parts === undefined) throw new RangeError(`bad time ${text}`);
  const [y = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts;
  return Date.UTC(y, month - 1, day, hour, minute, second);
}
