import { trimAscii } from "./logical_lines.ts";

/** What goes wrong when a list is taken apart. */
export interface ListProblem {
  /** Postfix's text: `missing '}' in "{ a"`. */
  readonly text: string;
}

/** A list and the items that could not be read as meant; those stay in the list as written. */
export interface SplitList {
  readonly items: readonly string[];
  readonly problems: readonly ListProblem[];
}

const SEPARATOR = /[, \t\r\n]/;

/** Where the item that starts at `start` ends: at the first separator outside braces. */
function endOfItem(text: string, start: number): number {
  let level = 0;
  for (let at = start; at < text.length; at++) {
    const char = text[at]!;
    if (char === "{") level++;
    else if (char === "}" && level > 0) level--;
    else if (level === 0 && SEPARATOR.test(char)) return at;
  }
  return text.length;
}

/** Length of the balanced `{...}` at the start of `text`; 0 when it does not close. */
export function balancedLength(text: string): number {
  let level = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "{") level++;
    else if (text[at] === "}" && --level === 0) return at + 1;
  }
  return 0;
}

/** Takes the outer braces and the blanks just inside off; or says what is wrong with them. */
export function stripBraces(item: string): string | ListProblem {
  const length = balancedLength(item);
  if (length === 0) return { text: `missing '}' in "${item}"` };
  if (length < item.length) return { text: `syntax error after '}' in "${item}"` };
  return trimAscii(item.slice(1, -1));
}

/** The items as written, braces and all (for lists whose items look inside their own braces). */
export function splitListRaw(text: string): string[] {
  const items: string[] = [];
  for (let at = 0; at < text.length;) {
    if (SEPARATOR.test(text[at]!)) {
      at++;
      continue;
    }
    const end = endOfItem(text, at);
    items.push(text.slice(at, end));
    at = end;
  }
  return items;
}

/** Like `splitList`, and says which `{...}` groups are broken, so that a check can name them. */
export function splitListChecked(text: string): SplitList {
  const problems: ListProblem[] = [];
  const items = splitListRaw(text).map((item) => {
    if (!item.startsWith("{")) return item;
    const inner = stripBraces(item);
    if (typeof inner === "string") return inner;
    problems.push(inner);
    return item;
  });
  return { items, problems };
}

/**
 * The items of a list value: separated by comma, space, TAB, CR and LF in any number, `{ ... }` groups an item that
 * contains separators and loses its outer braces (postconf(5); main.cf lists). A broken group stays as written.
 */
export function splitList(text: string): string[] {
  return [...splitListChecked(text).items];
}

/** The items of a list of names, addresses or users that something is looked for in, up to a word that begins with `#`. */
export interface MatchItems {
  readonly items: readonly string[];
  /** That word and what follows it: Postfix does not take comments there, and leaves off (match_list). */
  readonly comment?: string;
}

/** Takes such a list apart (`mynetworks`, `relay_domains`, `authorized_flush_users`). */
export function splitMatchList(text: string): MatchItems {
  for (let at = 0; at < text.length; at++) {
    if (SEPARATOR.test(text[at]!)) continue;
    if (text[at] === "#") return { items: splitList(text.slice(0, at)), comment: text.slice(at) };
    at = endOfItem(text, at);
  }
  return { items: splitList(text) };
}

/** What Postfix says of a comment where none may be; `list` is the parameter. */
export function commentText(list: string, comment: string): string {
  const [, word = "", rest = ""] = /^([^, \t\r\n]*)[, \t\r\n]?([^]*)$/.exec(comment)!;
  return `${list}: comment at end of line is not supported: ${word} ${rest}`;
}
