/** Tags that are written here (X.690 §8). */
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** An element of DER: tag, length, content. */
export function tagged(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.concat(content);
  if (bytes.length < 0x80) return Buffer.from([tag, bytes.length, ...bytes]);
  const length = Buffer.from(bytes.length.toString(16).padStart(bytes.length < 0x100 ? 2 : 4, "0"), "hex");
  return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, bytes]);
}

export const sequence = (...content: readonly Uint8Array[]) => tagged(TAG.sequence, ...content);
export const set = (...content: readonly Uint8Array[]) => tagged(TAG.set, ...content);
export const octetString = (...content: readonly Uint8Array[]) => tagged(TAG.octetString, ...content);
export const utf8String = (text: string) => tagged(TAG.utf8String, Buffer.from(text));
export const TRUE = tagged(TAG.boolean, Buffer.from([0xff]));

/** A positive whole number from its bytes; the first bit says that it is positive. */
export function integer(bytes: Uint8Array): Buffer {
  return tagged(TAG.integer, (bytes[0] ?? 0) >= 0x80 ? Buffer.from([0]) : Buffer.alloc(0), bytes);
}

/** Whole bytes. */
export function bitString(bytes: Uint8Array): Buffer {
  return tagged(TAG.bitString, Buffer.from([0]), bytes);
}

/** A time to the second, in milliseconds since 1970. */
export function time(milliseconds: number): Buffer {
  const text = new Date(milliseconds).toISOString().replace(/[-:T]/g, "").slice(0, 14);
  return tagged(TAG.generalizedTime, Buffer.from(`${text}Z`));
}

/** An identifier by its numbers: `1.3.6.1.5.5.7.1.31`. */
export function identifier(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = [40 * first + second, ...rest].flatMap((number) => {
    const digits = [number & 0x7f];
    for (let left = number >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80);
    return digits;
  });
  return tagged(TAG.objectIdentifier, Buffer.from(bytes));
}
