const FIELD_NAME = /^[!-9;-~]+[ \t]*:/;

/** Whether a text begins as a header field does. */
export function isField(text: string): boolean {
  return FIELD_NAME.test(text);
}

/**
 * A header field whose text comes from a table or a server, in wire form: line ends in it only fold it (RFC 5322 §2.2.3), so that
 * it neither adds a field nor ends the headers.
 */
export function printField(text: string): string {
  const lines = text.replaceAll("\0", "").split(/[\r\n]+/).filter((line, at) =>
    at === 0 || line.trim() !== ""
  );
  return `${lines.map((line, at) => at === 0 || /^[ \t]/.test(line) ? line : `\t${line}`).join("\r\n")}\r\n`;
}
