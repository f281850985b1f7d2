import { type Address, internalAddress, quoteAddress } from "./address.ts";
import { isPromise, type MaybeAsync } from "../base/maybe_async.ts";

/** A piece of an address list (RFC 5322 §3.4). What is not understood is a piece too: nothing is thrown away. */
type Piece =
  | { readonly is: "atom" | "quoted" | "literal" | "comment"; readonly text: string }
  /** An operator, or the colon behind a group's name. */
  | { readonly is: "sign" | "group"; readonly text: string };

/** An address in a list, as pieces. */
interface Found {
  readonly is: "address";
  readonly pieces: readonly Piece[];
}

type Node = Piece | Found;

/** The operators; `|`, `%` and `!` are some to Postfix. */
const OPERATORS = '|%!()<>@,;:\\".[]';
const BLANK = /[ \t\r\n]/;
const NOT_IN_ATOM = /[|%!()<>@,;:\\".[\]\x00-\x20\x7f]/;

interface Taken {
  readonly text: string;
  readonly end: number;
}

/** Takes characters from `at` on until one of `ends`; what follows a backslash is taken as it is, white space is a blank. */
function take(text: string, at: number, ends: RegExp): Taken {
  let taken = "";
  let i = at;
  for (; i < text.length; i++) {
    const quoted = text[i] === "\\";
    if (quoted) i++;
    const char = text[i];
    if (char === undefined || (!quoted && ends.test(char))) break;
    taken += BLANK.test(char) ? " " : char;
  }
  return { text: taken, end: Math.min(i, text.length) };
}

/** A comment, with those inside it, as it is written. */
function takeComment(text: string, at: number): Taken {
  let depth = 0;
  for (let i = at; i < text.length; i++) {
    if (text[i] === "\\") i++;
    else if (text[i] === "(") depth++;
    else if (text[i] === ")" && --depth === 0) return { text: text.slice(at, i + 1), end: i + 1 };
  }
  return { text: text.slice(at), end: text.length };
}

interface Scanned {
  readonly pieces: Piece[];
  /** What stands behind the limit. */
  readonly rest: string;
}

/** Cuts a text into at most `limit` pieces. */
function scan(text: string, limit: number): Scanned {
  const pieces: Piece[] = [];
  let at = 0;
  while (at < text.length && pieces.length < limit) {
    const char = text[at]!;
    if (BLANK.test(char)) {
      at++;
    } else if (char === "(") {
      const comment = takeComment(text, at);
      pieces.push({ is: "comment", text: comment.text });
      at = comment.end;
    } else if (char === '"' || char === "[") {
      const inside = take(text, at + 1, char === '"' ? /"/ : /\]/);
      pieces.push({ is: char === '"' ? "quoted" : "literal", text: inside.text });
      at = inside.end + 1;
    } else if (char !== "\\" && OPERATORS.includes(char)) {
      pieces.push({ is: "sign", text: char });
      at++;
    } else {
      const atom = take(text, at, /[ \t\r\n|%!()<>@,;:".[\]]/);
      pieces.push({ is: NOT_IN_ATOM.test(atom.text) ? "quoted" : "atom", text: atom.text });
      at = atom.end;
    }
  }
  return { pieces, rest: text.slice(at) };
}

const isSign = (piece: Piece | undefined, text: string): boolean =>
  piece?.is === "sign" && piece.text === text;
const isWord = ({ is }: Piece): boolean => is === "atom" || is === "quoted" || is === "literal";
const COMMA: Piece = { is: "sign", text: "," };

/**
 * Finds the addresses among the pieces of a list, from right to left: so it is known of a word whether it is part of a name before it
 * comes. Comments move behind the address that they stand in; a comma that is missing between two addresses is added.
 */
class ListReader {
  readonly #pieces: readonly Piece[];
  #at: number;
  /** What is read, the last one first. */
  readonly #done: Node[] = [];
  /** What may become an address, the last one first. */
  #pending: Piece[] = [];
  #wordMayFollow = true;
  #inGroup = false;

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
    this.#at = pieces.length - 1;
  }

  read(): Node[] {
    while (this.#at >= 0) this.#step(this.#pieces[this.#at]!);
    this.#endAddress();
    return this.#done.reverse();
  }

  #step(piece: Piece): void {
    if (piece.is === "comment") return this.#pass(piece);
    if (isSign(piece, ";")) {
      this.#endAddress(COMMA);
      this.#inGroup = true;
      this.#wordMayFollow = true;
      return this.#pass(piece);
    }
    if (isSign(piece, ":") && this.#inGroup) return this.#groupName();
    if (isSign(piece, ">")) return this.#inBrackets(piece);
    if (isSign(piece, ",")) {
      this.#endAddress();
      this.#wordMayFollow = true;
      return this.#pass(piece);
    }
    if (isWord(piece)) {
      if (!this.#wordMayFollow) this.#endAddress(COMMA);
      this.#wordMayFollow = false;
    } else this.#wordMayFollow = true;
    this.#pending.push(piece);
    this.#at--;
  }

  #pass(piece: Piece): void {
    this.#done.push(piece);
    this.#at--;
  }

  /** What is pending is an address; `before` goes in front of it. */
  #endAddress(before?: Piece): void {
    if (this.#pending.length === 0) return;
    this.#done.push({ is: "address", pieces: this.#pending.reverse() });
    if (before !== undefined) this.#done.push(before);
    this.#pending = [];
  }

  #groupName(): void {
    this.#endAddress();
    this.#pass({ is: "group", text: ":" });
    while (this.#at >= 0 && !isSign(this.#pieces[this.#at], ",")) this.#pass(this.#pieces[this.#at]!);
  }

  /** An address in angle brackets, and the name in front of it. */
  #inBrackets(bracket: Piece): void {
    this.#endAddress(COMMA);
    this.#pass(bracket);
    while (this.#at >= 0 && !isSign(this.#pieces[this.#at], "<")) {
      const piece = this.#pieces[this.#at]!;
      if (piece.is === "comment") this.#done.push(piece);
      else this.#pending.push(piece);
      this.#at--;
    }
    this.#endAddress();
    const ends = (piece: Piece) => piece.is === "sign" && /[>;,:]/.test(piece.text);
    while (this.#at >= 0 && !ends(this.#pieces[this.#at]!)) this.#pass(this.#pieces[this.#at]!);
    this.#wordMayFollow = true;
  }
}

const plainText = ({ is, text }: Piece): string =>
  is === "literal" ? `[${text}]` : is === "comment" ? "" : text;

/** The internal form of an address, without a source route. */
function internalOf({ pieces }: Found): Address {
  const colon = isSign(pieces[0], "@") ? pieces.findIndex((piece) => isSign(piece, ":")) : -1;
  const inside = colon > 0 && colon < pieces.length - 1 ? pieces.slice(colon + 1) : pieces;
  if (inside.length === 1 && isSign(inside[0], "@")) return internalAddress("");
  // Brackets and commas in an address are part of its name, and have their blanks there.
  const name = inside.map((piece, i) =>
    plainText(piece) + (isSign(piece, ",") || isSign(inside[i + 1], "<") ? " " : "")
  );
  return internalAddress(name.join(""));
}

function pieceText({ is, text }: Piece): string {
  switch (is) {
    case "quoted":
      return `"${text.replace(/["\\\r\n]/g, "\\$&")}"`;
    case "literal":
      return `[${text.replace(/[\\\r\n]/g, "\\$&")}]`;
    default:
      return text;
  }
}

const writtenAs = ({ pieces }: Found): string => pieces.map(pieceText).join("");

/** Whether a blank stands between two nodes. */
function isApart(node: Node, next: Node | undefined): boolean {
  if (next === undefined) return false;
  if (node.is === "group" || (next.is === "sign" && next.text === "<")) return true;
  const isText = ({ is }: Node) => is !== "sign" && is !== "group";
  return isText(node) && isText(next);
}

/** Text behind a comma begins a line of its own. */
function printList(nodes: readonly Node[], addresses: ReadonlyMap<Node, string>): string {
  let out = "";
  for (const [i, node] of nodes.entries()) {
    const next = nodes[i + 1];
    out += node.is === "address" ? addresses.get(node) ?? writtenAs(node) : pieceText(node);
    if (node.is === "sign" && node.text === ",") out += "\n";
    else if (isApart(node, next)) out += " ";
  }
  return out;
}

/** Joins lines as long as they stay under 70 characters, the name of the field counted; the others are folded (RFC 5322 §2.2.3). */
function fold(text: string): string {
  const [first = "", ...others] = text.split("\n");
  const lines = [first];
  for (const line of others) {
    const last = lines[lines.length - 1]!;
    if (last.length + 1 + line.length < 70) lines[lines.length - 1] = `${last} ${line}`;
    else lines.push(line);
  }
  // A line of a comment may begin with white space of its own.
  return lines.join("\n").replace(/\n(?=[ \t])/g, "\r\n").replace(/(?<!\r)\n/g, "\r\n\t");
}

/** What becomes of an address: the new one, or undefined where it stays as it is written. */
export type RewriteAddress = (
  address: Address,
  written: string,
) => MaybeAsync<{ readonly address: string } | undefined>;

/** A field with one address in the usual form is most of them. */
const ONE =
  /^[ \t]*(?:[A-Za-z0-9_ \t'-]*<([^\x00-\x20\x7f()<>@,;:\\"[\]|%!]+@[^\x00-\x20\x7f()<>@,;:\\"[\]|%!]+)>|([^\x00-\x20\x7f()<>@,;:\\"[\]|%!]+@[^\x00-\x20\x7f()<>@,;:\\"[\]|%!]+))[ \t]*(?:\r\n)?$/;

function nodesOf(value: string, limit: number) {
  const { pieces, rest } = scan(value.replaceAll("\r\n", "\n"), limit);
  return { nodes: new ListReader(pieces).read(), rest };
}

/** The addresses of a list in internal form; at most `limit` pieces of it are looked at (header_address_token_limit). */
export function addressesIn(value: string, limit: number): Address[] {
  const { nodes } = nodesOf(value, limit);
  return nodes.flatMap((node) => node.is === "address" ? [internalOf(node)] : []);
}

/** What stands in angle brackets, in a group's name too: there are readers who take any such text for the address. */
export function bracketedIn(value: string, limit: number): Address[] {
  const found: Address[] = [];
  let inside: Piece[] | undefined;
  for (const piece of scan(value.replaceAll("\r\n", "\n"), limit).pieces) {
    if (!isSign(piece, "<") && !isSign(piece, ">")) inside?.push(piece);
    else {
      if (inside !== undefined) found.push(internalOf({ is: "address", pieces: inside }));
      inside = isSign(piece, "<") ? [] : undefined;
    }
  }
  return found;
}

/**
 * Rewrites the addresses of a header field (`Name: value`, CR LF at its end or not). A field in which no address changes stays as it
 * stands, byte by byte; any other is printed anew, as Postfix prints it. At most `limit` pieces are looked at
 * (header_address_token_limit); what follows stays.
 */
export function rewriteField(field: string, limit: number, rewrite: RewriteAddress): MaybeAsync<string> {
  const colon = field.indexOf(":");
  const value = field.slice(colon + 1);
  const one = ONE.exec(value);
  const usual = one?.[1] ?? one?.[2];
  if (usual === undefined) return rewriteList(field, colon, limit, rewrite);
  const made = rewrite(internalAddress(usual), usual);
  const go = (changed: { readonly address: string } | undefined) =>
    changed === undefined ? field : rewriteList(field, colon, limit, () => changed);
  return isPromise(made) ? made.then(go) : go(made);
}

function rewriteList(
  field: string,
  colon: number,
  limit: number,
  rewrite: RewriteAddress,
): MaybeAsync<string> {
  const ended = field.endsWith("\r\n");
  const { nodes, rest } = nodesOf(field.slice(colon + 1, ended ? -2 : undefined), limit);
  const addresses = new Map<Node, string>();
  const asked = nodes.filter((node): node is Found => node.is === "address");
  const finish = () =>
    addresses.size === 0
      ? field
      : fold(`${field.slice(0, colon)}: ${printList(nodes, addresses)}`) + rest.replaceAll("\n", "\r\n") +
        (ended ? "\r\n" : "");
  const made = rewriteEach(asked, 0, addresses, rewrite);
  return isPromise(made) ? made.then(finish) : finish();
}

/** One at a time, so that tables that take time keep the order. */
function rewriteEach(
  asked: readonly Found[],
  from: number,
  addresses: Map<Node, string>,
  rewrite: RewriteAddress,
): MaybeAsync<void> {
  for (let i = from; i < asked.length; i++) {
    const found = asked[i]!;
    const note = (made: { readonly address: string } | undefined) => {
      if (made !== undefined) addresses.set(found, quoteAddress(made.address));
    };
    const made = rewrite(internalOf(found), writtenAs(found));
    if (isPromise(made)) return made.then(note).then(() => rewriteEach(asked, i + 1, addresses, rewrite));
    note(made);
  }
}
