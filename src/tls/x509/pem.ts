/** One object of a PEM file (RFC 7468). */
export interface PemObject {
  /** What stands behind BEGIN: `CERTIFICATE`, `PRIVATE KEY`. */
  readonly type: string;
  /** Encrypted as RFC 1421 has it: a header says so, and the bytes are no key. */
  readonly isEncrypted: boolean;
  readonly der: Uint8Array;
  /** The object as it stands in the file. */
  readonly text: string;
}

/** The objects of a file, as far as it is well formed, and what is wrong behind them. */
export interface PemObjects {
  readonly objects: readonly PemObject[];
  /** `bad end line`, `bad base64 decode`: OpenSSL's words. */
  readonly fault?: string;
}

const BEGIN = /^-----BEGIN ([^\r\n]+)-----[ \t]*\r?$/gm;
/** RFC 1421 headers end with an empty line. */
const HEADERS = /^(?:[A-Za-z-]+:[^\n]*\n(?:[ \t]+[^\n]*\n)*)+[ \t]*\r?\n/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** The objects in the text of a PEM file; whatever stands around them is ignored, as OpenSSL ignores it. */
export function pemObjects(text: string): PemObjects {
  const objects: PemObject[] = [];
  BEGIN.lastIndex = 0;
  for (let begin = BEGIN.exec(text); begin !== null; begin = BEGIN.exec(text)) {
    const type = begin[1]!;
    const from = begin.index + begin[0].length;
    const end = text.indexOf("-----END ", from);
    const endLine = `-----END ${type}-----`;
    if (end < 0 || !text.startsWith(endLine, end)) return { objects, fault: "bad end line" };
    const body = text.slice(from, end).replace(/^\n/, "");
    const headers = HEADERS.exec(body)?.[0] ?? "";
    const base64 = body.slice(headers.length).replace(/\s+/g, "");
    if (base64.length % 4 !== 0 || !BASE64.test(base64)) return { objects, fault: "bad base64 decode" };
    const to = end + endLine.length;
    objects.push({
      type,
      isEncrypted: type === "ENCRYPTED PRIVATE KEY" || /^Proc-Type:.*ENCRYPTED/m.test(headers),
      der: Buffer.from(base64, "base64"),
      text: text.slice(begin.index, to),
    });
    BEGIN.lastIndex = to;
  }
  return { objects };
}
