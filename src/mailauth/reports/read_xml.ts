/** What stands in an XML document, piece by piece. Names are without their prefix, attributes are passed over. */
export type XmlEvent =
  | { readonly is: "open"; readonly name: string }
  | { readonly is: "text"; readonly text: string }
  | { readonly is: "close" }
  /** The last one: it is no document that is read here. */
  | { readonly is: "fault"; readonly why: string };

/** Deepest nesting, and characters of one tag. */
const [DEEPEST, LONGEST_TAG] = [32, 8192];

/** A tag that opens, or is an element by itself: its name without prefix, and the slash. */
const TAG =
  /^<(?:[^\s<>/=&"':]+:)?([^\s<>/=&"':]+)(?:\s+[^\s<>/=&"']+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*\s*(\/?)>/;
const END_TAG = /^<\/(?:[^\s<>/=&"':]+:)?([^\s<>/=&"':]+)\s*>/;
const REFERENCE = /&(?:#([0-9]{1,7});|#x([0-9A-Fa-f]{1,6});|(amp|lt|gt|quot|apos);)?/g;
const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/**
 * Reads an XML 1.0 document as far as data needs it: elements and text. There are no document types, and so no entities but the five
 * that all documents have: nothing grows, and nothing is fetched.
 */
export function* readXml(text: string): Generator<XmlEvent, void> {
  const open: string[] = [];
  let hasRoot = false;
  for (let at = text.startsWith("\ufeff") ? 1 : 0; at < text.length;) {
    const piece = pieceAt(text, at);
    const why = piece.is === "fault" ? piece.why : misplaced(piece, open, hasRoot);
    if (why !== undefined) return yield { is: "fault", why: `line ${lineOf(text, at)}: ${why}` };
    if (piece.is === "text" && open.length > 0) yield { is: "text", text: piece.text };
    if (piece.is === "open") {
      hasRoot = true;
      open.push(piece.name);
      yield { is: "open", name: piece.name };
    }
    if (piece.is === "close" || (piece.is === "open" && piece.isEmpty)) {
      open.pop();
      yield { is: "close" };
    }
    at = piece.end;
  }
  if (open.length > 0) yield { is: "fault", why: `<${open.at(-1)!.slice(0, 40)}> is not closed` };
  else if (!hasRoot) yield { is: "fault", why: "no element" };
}

/** What begins at a place, and where it ends. */
type Piece =
  & { readonly end: number }
  & (
    | { readonly is: "open"; readonly name: string; readonly isEmpty: boolean }
    | { readonly is: "close"; readonly name: string }
    | { readonly is: "text"; readonly text: string }
    /** Comments and instructions. */
    | { readonly is: "aside" }
    | { readonly is: "fault"; readonly why: string }
  );

function pieceAt(text: string, at: number): Piece {
  if (text[at] !== "<") return textAt(text, at);
  if (text.startsWith("<!--", at)) return asideAt(text, at + 4, "-->");
  if (text.startsWith(CDATA, at)) return cdataAt(text, at + CDATA.length);
  if (text.startsWith("<?", at)) return asideAt(text, at + 2, "?>");
  if (text.startsWith("<!", at)) return { is: "fault", end: at, why: "a document type, which is not read" };
  const tag = text.slice(at, at + LONGEST_TAG);
  const closing = END_TAG.exec(tag);
  if (closing !== null) return { is: "close", name: closing[1]!, end: at + closing[0].length };
  const opening = TAG.exec(tag);
  if (opening === null) return { is: "fault", end: at, why: "a tag that is none, or too long" };
  return { is: "open", name: opening[1]!, isEmpty: opening[2] === "/", end: at + opening[0].length };
}

const CDATA = "<![CDATA[";

function textAt(text: string, at: number): Piece {
  const next = text.indexOf("<", at);
  const end = next < 0 ? text.length : next;
  const resolved = dereferenced(text.slice(at, end));
  return resolved === undefined
    ? { is: "fault", end, why: "unknown entity" }
    : { is: "text", text: resolved, end };
}

function cdataAt(text: string, at: number): Piece {
  const { is, end } = asideAt(text, at, "]]>");
  return is === "aside"
    ? { is: "text", text: text.slice(at, end - 3), end }
    : { is: "fault", end, why: "CDATA without an end" };
}

function asideAt(text: string, at: number, mark: string): Piece {
  const found = text.indexOf(mark, at);
  return found < 0 ? { is: "fault", end: at, why: `no ${mark}` } : { is: "aside", end: found + mark.length };
}

/** Why a piece may not stand where it does. */
function misplaced(piece: Piece, open: readonly string[], hasRoot: boolean): string | undefined {
  if (piece.is === "close" && open.at(-1) !== piece.name) {
    return `</${piece.name.slice(0, 40)}> closes nothing`;
  }
  if (piece.is === "open" && open.length === 0 && hasRoot) return "a second document";
  if (piece.is === "open" && open.length === DEEPEST) return "elements nested too deeply";
  return piece.is === "text" && open.length === 0 && piece.text.trim() !== ""
    ? "text outside of the document"
    : undefined;
}

function lineOf(text: string, at: number): number {
  let line = 1;
  for (let next = text.indexOf("\n"); next >= 0 && next < at; next = text.indexOf("\n", next + 1)) line++;
  return line;
}

/** Text with its references resolved; undefined when one is unknown. */
function dereferenced(text: string): string | undefined {
  if (!text.includes("&")) return text;
  let isKnown = true;
  const out = text.replace(REFERENCE, (_, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return NAMED[name]!;
    const code = decimal === undefined ? parseInt(hex ?? "", 16) : Number(decimal);
    if (code > 0 && code <= 0x10ffff) return String.fromCodePoint(code);
    isKnown = false;
    return "";
  });
  return isKnown ? out : undefined;
}
