import { isUtf8 } from "node:buffer";

/** Text with letters beyond ASCII as its UTF-8 bytes, one character each: the form in which content is handled here. */
export function toBytesText(text: string): string {
  return /[^\x00-\x7f]/.test(text) ? Buffer.from(text, "utf8").toString("latin1") : text;
}

/** The inverse: UTF-8 bytes that stand as one character each become letters. */
export function fromBytesText(text: string): string {
  return /[^\x00-\x7f]/.test(text) ? Buffer.from(text, "latin1").toString("utf8") : text;
}

/** Text that is looked up and changed as letters where its bytes are UTF-8, and else as the bytes that it has. */
export function throughLetters<T>(
  text: string,
  work: (letters: string, back: (made: string) => string) => T,
): T {
  const isText = !/[^\x00-\x7f]/.test(text) || isUtf8(Buffer.from(text, "latin1"));
  return isText ? work(fromBytesText(text), toBytesText) : work(text, (made) => made);
}
