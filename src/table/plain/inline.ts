import { balancedLength, splitListRaw } from "../../config/syntax/list.ts";
import type { TableContext } from "../context.ts";
import { foldingOf } from "../text/fold.ts";
import { ABSENT, type Answer, type Table } from "../table.ts";
import { plainTable, unavailable } from "../unavailable.ts";

/** The text inside the outer braces of `{...}`, or undefined when they do not enclose all of it. */
export function insideBraces(text: string): string | undefined {
  return text.startsWith("{") && balancedLength(text) === text.length ? text.slice(1, -1) : undefined;
}

/** One `key = value`, in braces when it contains blanks; quotes and backslashes in the key are part of it. */
function pairOf(item: string): readonly [string, string] | string {
  const text = item.startsWith("{") ? insideBraces(item)?.trim() : item;
  if (text === undefined) return `syntax error after '}' in "${item}"`;
  if (text === "") return "no key found; expected format: key = value";
  const end = keyEnd(text);
  if (end === undefined) return "unbalanced '\"'";
  const rest = text.slice(end).trimStart();
  if (!rest.startsWith("=")) return "missing '=' after attribute name";
  return [text.slice(0, end), rest.slice(1).trim()];
}

/** Where the key ends: at a blank or `=` that is neither quoted nor escaped; undefined inside a quotation. */
function keyEnd(text: string): number | undefined {
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === "\\") at++;
    else if (char === '"') quoted = !quoted;
    else if (!quoted && /[\s=]/.test(char)) return at;
  }
  return quoted ? undefined : text.length;
}

/** postmap(1) quotes what it was given; a log tells where the mistake is: the entries may be passwords. */
function malformed(
  spec: string,
  { entry, why }: { readonly entry?: number; readonly why: string },
  { asPostmap }: Pick<TableContext, "asPostmap">,
): Table {
  const need = 'need "inline:{name=value...}"';
  if (asPostmap === true) return unavailable(spec, `${why}: "${spec}"; ${need}`, false);
  const where = entry === undefined ? "" : `entry ${entry}: `;
  return unavailable(spec, `${where}${why.replace(/ in ".*"$/s, "")}; ${need}`, false);
}

/** `inline:{ key=value, { key = text with blanks } }`: a table written into main.cf (DATABASE_README). */
export function openInline(name: string, spec: string, context: TableContext): Table {
  const fold = foldingOf(context);
  const items = splitListRaw(insideBraces(name) ?? "");
  if (items.length === 0) return malformed(spec, { why: "bad syntax" }, context);
  const values = new Map<string, Answer>();
  for (const [at, item] of items.entries()) {
    const pair = pairOf(item);
    if (typeof pair === "string") return malformed(spec, { entry: at + 1, why: pair }, context);
    values.set(fold(pair[0]), { is: "found", value: pair[1] });
  }
  return {
    ...plainTable(spec, (key) => values.get(fold(key)) ?? ABSENT),
    entries: () =>
      [...values].map(([key, answer]) => [key, answer.is === "found" ? answer.value : ""] as const),
    possible: () =>
      [...values].map(([key, answer]) => ({
        is: "key",
        key,
        value: answer.is === "found" ? answer.value : "",
      })),
  };
}
