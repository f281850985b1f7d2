import type { QueryFile } from "./query_file.ts";

/** A part of a template: literal text, or what stands for something of the key or of the value. */
export type Piece = string | Expansion;

/** `%s %u %d` are of the value in a result template and of the key in a query; `%S %U %D %1..%9` always of the key. */
export interface Expansion {
  readonly of: "key" | "value";
  /** A number is a label of the domain, counted from the right: `%1` is `com` of `mail.example.com`. */
  readonly part: "whole" | "user" | "domain" | number;
}

const PARTS: Readonly<Record<string, Expansion["part"]>> = { s: "whole", u: "user", d: "domain" };

/** Takes a template apart (`%%` is a percent sign); undefined when something unknown follows a percent sign (db_common). */
export function parseTemplate(text: string, kind: "query" | "result"): readonly Piece[] | undefined {
  const pieces: Piece[] = [];
  for (const [token, char] of text.matchAll(/%([\s\S]?)|[^%]+/g)) {
    const piece = char === undefined ? token : expansionOf(char, kind);
    if (piece === undefined) return undefined;
    pieces.push(piece);
  }
  return pieces;
}

/** A template of a query file, or of what stands for one; refuses (by a QueryFileFault) one that is none. */
export function readTemplate(
  file: QueryFile,
  attribute: string,
  text: string,
  kind: "query" | "result",
): readonly Piece[] {
  return parseTemplate(text, kind) ??
    file.refuse(attribute, `Invalid ${kind} template: ${text}; write %% for a percent sign`);
}

function expansionOf(char: string, kind: "query" | "result"): Piece | undefined {
  if (char === "%") return "%";
  if (/^[1-9]$/.test(char)) return { of: "key", part: Number(char) };
  if (Object.hasOwn(PARTS, char)) return { of: kind === "query" ? "key" : "value", part: PARTS[char]! };
  const lower = char.toLowerCase();
  return Object.hasOwn(PARTS, lower) ? { of: "key", part: PARTS[lower]! } : undefined;
}

/** Whether a template asks for anything at all. */
export function isDynamic(pieces: readonly Piece[]): boolean {
  return pieces.some((piece) => typeof piece !== "string");
}

/** A key or value taken apart as far as the templates need it. */
export interface Parts {
  readonly whole: string;
  readonly user: string;
  readonly domain: string;
  /** From the right: `labels[0]` is the top-level domain. */
  readonly labels: readonly string[];
}

/** What the templates of a table need of keys and values; one for all templates of a table, as in Postfix (db_common). */
export class TemplateNeeds {
  readonly #key: ReadonlySet<Expansion["part"]>;
  readonly #value: ReadonlySet<Expansion["part"]>;
  readonly #labels: number;

  constructor(...templates: readonly (readonly Piece[])[]) {
    const wanted = templates.flat().filter((piece) => typeof piece !== "string");
    const of = (which: "key" | "value") =>
      new Set(wanted.filter((piece) => piece.of === which).map(({ part }) => part));
    [this.#key, this.#value] = [of("key"), of("value")];
    this.#labels = Math.max(0, ...[...this.#key].filter((part) => typeof part === "number"));
  }

  /** Whether a template shows its server only parts of a key: then parts of addresses are not looked up one by one. */
  get isPartial(): boolean {
    return this.#key.size > (this.#key.has("whole") ? 1 : 0);
  }

  /** The key's parts; undefined when it lacks one that a template asks for: then nothing is looked up. */
  ofKey(key: string): Parts | undefined {
    const parts = partsOf(key);
    const needsDomain = this.#key.has("domain") || this.#labels > 0;
    if (key === "" || (needsDomain && parts.domain === "")) return undefined;
    if (this.#key.has("user") && key.lastIndexOf("@") === 0) return undefined;
    return parts.labels.length < this.#labels ? undefined : parts;
  }

  /** A result's parts; undefined when it lacks one that the result template asks for: then the result is skipped. */
  ofValue(value: string): Parts | undefined {
    if (value === "") return undefined;
    const parts = partsOf(value);
    if (this.#value.has("domain") && parts.domain === "") return undefined;
    return this.#value.has("user") && value.lastIndexOf("@") === 0 ? undefined : parts;
  }
}

/** `%u` of something without `@` is all of it. */
function partsOf(whole: string): Parts {
  const at = whole.lastIndexOf("@");
  if (at < 0) return { whole, user: whole, domain: "", labels: [] };
  const domain = whole.slice(at + 1);
  return { whole, user: whole.slice(0, at), domain, labels: domain.split(".").filter(Boolean).reverse() };
}

/** The text that an expansion stands for. */
function expansionText({ of, part }: Expansion, key: Parts, value: Parts = key): string {
  const parts = of === "key" ? key : value;
  return typeof part === "number" ? parts.labels[part - 1] ?? "" : parts[part];
}

/** A template filled in; `quote` makes each expansion harmless in the language that the template is written in. */
export function expandTemplate(
  pieces: readonly Piece[],
  { key, value = key, quote = (text) => text }: {
    readonly key: Parts;
    readonly value?: Parts;
    readonly quote?: (text: string) => string;
  },
): string {
  return pieces.map((piece) => typeof piece === "string" ? piece : quote(expansionText(piece, key, value)))
    .join("");
}
