// What XML 1.0 has no way to write (§2.2): most controls, halves of surrogate pairs, two noncharacters.
const UNWRITABLE = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;
const SPECIAL = /[&<>"'\r]/g;
const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
  "\r": "&#13;",
};

/** Any text as content of an XML element; what cannot be written becomes `?`. */
export function escapeXml(text: string): string {
  return text.replace(UNWRITABLE, "?").replace(SPECIAL, (char) => ESCAPES[char]!);
}
