import type { Edit } from "./edit.ts";
import type { ExplainedStep, Lookup } from "../explanation.ts";
import type { SourceFiles, TableSource } from "../source_files.ts";

/** Edits of one table's text: a line less, a line more. */
export class TableEditor {
  readonly #sources: SourceFiles;

  constructor(sources: SourceFiles) {
    this.#sources = sources;
  }

  /** Takes away the line that answered. */
  remove({ source: spec, key, answer, file, line }: Lookup): Edit | undefined {
    const source = this.#sources.of(spec);
    if (source === undefined || file === undefined || line === undefined) return undefined;
    if (!source.keyed) return undefined; // what the rules behind it would answer is another question
    const before = `${key} ${answer ?? ""}`.trim();
    return {
      edit: `remove line ${line} of ${file}`,
      file,
      line,
      before,
      then: remake(source),
      change: { is: "record", spec, key, value: undefined },
    };
  }

  /** Adds a line for one key; in a file of rules it stands before the line that answers now. */
  add(spec: string, key: string, value: string, before?: number): Edit | undefined {
    const source = this.#sources.of(spec);
    if (source === undefined || key === "") return undefined;
    const after = lineFor(source, key, value);
    if (after === undefined) return undefined;
    const where = source.keyed
      ? `add a line to ${source.path}`
      : `add a line to ${source.path}${placeFor(before)}`;
    return {
      edit: where,
      file: source.path,
      ...(before !== undefined && !source.keyed && { line: before }),
      after,
      then: remake(source),
      change: { is: "record", spec, key, value },
    };
  }

  /** Whether a table's text is keys and values, so that a line stands for one key. */
  isKeyed(spec: string): boolean {
    return this.#sources.of(spec)?.keyed === true;
  }

  /** The tables of a lookup that a person can edit. */
  isEditable(spec: string): boolean {
    return this.#sources.of(spec) !== undefined;
  }
}

function placeFor(before: number | undefined): string {
  return before === undefined ? "" : `, before line ${before}`;
}

/** An alias file is made by postalias; `hash:/etc/aliases` is one by its look. */
function isAliasFile({ path }: TableSource): boolean {
  return /alias(?:es)?$/.test(path) && !/virtual/.test(path);
}

function remake(source: TableSource): readonly string[] {
  if (!source.indexed) return [];
  const tool = isAliasFile(source) ? "postalias" : "postmap";
  return [`mta ${tool} ${source.type}:${source.path}`];
}

function lineFor(source: TableSource, key: string, value: string): string | undefined {
  switch (source.type) {
    case "cidr":
      return /^[0-9a-f.:]+$/i.test(key) ? `${key} ${value}` : undefined;
    case "pcre":
    case "regexp":
      return `/^${key.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")}$/ ${value}`;
    default:
      return isAliasFile(source) ? `${key}: ${value}` : `${key} ${value}`;
  }
}

/** What stands for the subject itself in a table of a restriction: the first key that names nobody else. */
export function ownKey({ restriction, lookups }: ExplainedStep, address: string): string | undefined {
  const keys = lookups.filter(({ kind, source }) => kind === "table" && restriction.endsWith(` ${source}`))
    .map(({ key }) => key);
  if (/^check_client_access /i.test(restriction)) return keys.includes(address) ? address : undefined;
  return keys[0];
}

/** Restrictions that look at what a client cannot forge. */
export const KNOWS_CLIENT = /^check_(?:client|sasl|ccert)_access /i;

/** Restrictions whose table may say OK; what the others look at, a client can forge. */
export const MAY_PERMIT = /^check_(?:client|helo|sender|recipient|sasl|ccert|etrn)_access /i;
