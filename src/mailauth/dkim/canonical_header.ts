import type { Canonicalization } from "./canonicalization.ts";

/** The name of a whole header field, in lower case. A field without a colon has a name that nobody can ask for. */
export function fieldName(field: string): string {
  const colon = field.indexOf(":");
  let end = Math.max(colon, 0);
  while (end > 0 && (field[end - 1] === " " || field[end - 1] === "\t")) end--;
  return field.slice(0, end).toLowerCase();
}

/** What stands behind the colon, without the line end of the field. */
export function fieldValue(field: string): string {
  return withoutLineEnd(field.slice(field.indexOf(":") + 1));
}

/** Without the CR LF at the end. */
export function withoutLineEnd(field: string): string {
  return field.endsWith("\r\n") ? field.slice(0, -2) : field;
}

/** A whole field in canonical form (RFC 6376 §3.4.1, §3.4.2), its CR LF included. */
export function canonicalField(field: string, how: Canonicalization): string {
  if (how === "simple") return field;
  const value = unfolded(fieldValue(field)).replace(/[ \t]+/g, " ");
  const start = value.startsWith(" ") ? 1 : 0;
  const end = value.endsWith(" ") ? value.length - 1 : value.length;
  return `${fieldName(field)}:${value.slice(start, end)}\r\n`;
}

/** A value on one line (RFC 5322 §2.2.3). */
export function unfolded(value: string): string {
  return value.replaceAll("\r\n", "");
}

/** A header whose fields are asked for by name, for several signatures. */
export class SignedHeader {
  readonly fields: readonly string[];
  readonly #places = new Map<string, number[]>();
  readonly #relaxed: (string | undefined)[] = [];

  constructor(fields: readonly string[]) {
    this.fields = fields;
    for (const [at, field] of fields.entries()) {
      const name = fieldName(field);
      const places = this.#places.get(name);
      if (places === undefined) this.#places.set(name, [at]);
      else places.push(at);
    }
  }

  /** How many fields there are of a name (lower case). */
  count(name: string): number {
    return this.#places.get(name)?.length ?? 0;
  }

  /** Places of the fields of a name (lower case), from the top. */
  placesOf(name: string): readonly number[] {
    return this.#places.get(name) ?? [];
  }

  /**
   * The fields that `h=` names, in canonical form: of a name that comes again the next one up; none where there is no more (RFC 6376
   * §5.4.2). The signature's own field, at `own`, is not among them (§3.7).
   */
  select(names: readonly string[], how: Canonicalization, own = -1): string {
    const left = new Map<string, number>();
    let text = "";
    for (const name of names) {
      const key = name.toLowerCase();
      const places = this.placesOf(key);
      let rest = left.get(key) ?? places.length;
      if (rest > 0 && places[rest - 1] === own) rest--;
      if (rest > 0) text += this.canonical(places[--rest]!, how);
      left.set(key, rest);
    }
    return text;
  }

  /** The field at a place, in canonical form. */
  canonical(at: number, how: Canonicalization): string {
    const field = this.fields[at]!;
    return how === "simple" ? field : this.#relaxed[at] ??= canonicalField(field, how);
  }
}
