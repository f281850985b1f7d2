/** Encodings that all reports are in that were ever seen, by the names that XML documents give them. */
const ENCODINGS: Readonly<Record<string, string>> = {
  "utf-8": "utf-8",
  "utf8": "utf-8",
  "us-ascii": "utf-8",
  "ascii": "utf-8",
  "iso-8859-1": "windows-1252",
  "latin1": "windows-1252",
  "windows-1252": "windows-1252",
  "utf-16": "utf-16le",
};

/** The text of an XML document (XML 1.0 appendix F): by its byte order mark, else by what it says; undefined where that is unknown. */
export function decodeXml(bytes: Uint8Array): string | undefined {
  const head = Buffer.from(bytes.subarray(0, 200)).toString("latin1");
  if (head.startsWith("\xff\xfe") || head.startsWith("<\0")) return new TextDecoder("utf-16le").decode(bytes);
  const [, said = "utf-8"] = /^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([\w.-]+)["']/.exec(head) ?? [];
  const encoding = ENCODINGS[said.toLowerCase()];
  return encoding === undefined || encoding === "utf-16le"
    ? undefined
    : new TextDecoder(encoding).decode(bytes);
}
