import { isUtf8 } from "node:buffer";

/** Bytes as a field of a JSON object; what is no UTF-8 goes into a field `nameBase64`, so that nothing is lost. */
export function jsonBytes(name: string, bytes: Uint8Array): Readonly<Record<string, string>> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(buffer) ? { [name]: buffer.toString() } : { [`${name}Base64`]: buffer.toString("base64") };
}

/** An object on a line of its own. */
export function jsonLine(object: object): string {
  return `${JSON.stringify(object)}\n`;
}
