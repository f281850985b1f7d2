/** Tags and their values in the order in which they stand there: names as written, values without the white space around them. */
export type TagList = ReadonlyMap<string, string>;

/** No list of tags, and why. */
export interface TagFault {
  readonly fault: string;
}

/** Longest text and most tags that are looked at; what is published or sent in earnest has some twenty. */
const TEXT_LIMIT = 65_536;
const TAG_LIMIT = 100;

const NAME = /^[A-Za-z][A-Za-z0-9_]*$/;
/** What is neither visible ASCII, nor UTF-8 (RFC 8616 §3), nor folding white space. */
const WRONG = /[^\t\r\n\x20-\x7e\x80-\xff]|\r(?!\n[\t ])|(?<!\r)\n/;

/** Without white space at both ends. Not `trim`, which takes more than RFC 5322 does. */
export function withoutOuterSpace(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && isSpace(text.charCodeAt(start))) start++;
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 32 || code === 9 || code === 13 || code === 10;
}

/** Reads a tag-list (RFC 6376 §3.2), one character a byte. One `;` may end it; a name that comes twice is a fault of the whole list. */
export function parseTagList(text: string): TagList | TagFault {
  if (text.length > TEXT_LIMIT) return { fault: "too long" };
  if (WRONG.test(text)) return { fault: "a character that may not be there" };
  const specs = text.split(";");
  if (specs.length > 1 && withoutOuterSpace(specs.at(-1)!) === "") specs.pop();
  if (specs.length > TAG_LIMIT) return { fault: "too many tags" };
  const tags = new Map<string, string>();
  for (const spec of specs) {
    const fault = addTag(tags, spec);
    if (fault !== undefined) return { fault };
  }
  return tags;
}

function addTag(tags: Map<string, string>, spec: string): string | undefined {
  const equals = spec.indexOf("=");
  if (equals < 0) return withoutOuterSpace(spec) === "" ? "an empty tag" : "a tag without =";
  const name = withoutOuterSpace(spec.slice(0, equals));
  if (!NAME.test(name)) return "a tag without a proper name";
  if (tags.has(name)) return `${name}= comes twice`;
  tags.set(name, withoutOuterSpace(spec.slice(equals + 1)));
  return undefined;
}

/** A value without any white space, as base64 and lists of names are read (RFC 6376 §3.2: "FWS"). */
export function withoutSpace(value: string): string {
  return value.replace(/[ \t\r\n]+/g, "");
}

/** The parts of a value that are separated by colons, without the white space around them. */
export function colonList(value: string): string[] {
  return value.split(":").map(withoutOuterSpace);
}

/** The text of a list with the value of one tag left empty, white space and all (RFC 6376 §3.7: `b=`). */
export function withoutValueOf(name: string, text: string): string {
  let start = 0;
  while (start <= text.length) {
    const semicolon = text.indexOf(";", start);
    const end = semicolon < 0 ? text.length : semicolon;
    const equals = text.indexOf("=", start);
    if (equals >= 0 && equals < end && withoutOuterSpace(text.slice(start, equals)) === name) {
      return text.slice(0, equals + 1) + text.slice(end);
    }
    start = end + 1;
  }
  return text;
}
