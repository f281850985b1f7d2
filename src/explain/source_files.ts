import { readWhole } from "../platform/random_access_file.ts";
import { foldKey } from "../table/fold.ts";
import { tableType } from "../table/registry.ts";
import { readSource, type SourceRecord } from "../table/source_records.ts";

/** The text behind a table: what the operator edits. */
export interface TableSource {
  readonly type: string;
  readonly path: string;
  /** Keys and values; else rules that are tried one after the other. */
  readonly keyed: boolean;
  /** An index is made from it, by postmap or by postalias. */
  readonly indexed: boolean;
}

/** Types that are a file of rules. */
const RULES = new Set(["cidr", "pcre", "regexp"]);

/** The source of `type:name`, for the types that have one that is a text file. */
export function sourceOf(spec: string, directory: string): TableSource | undefined {
  const bare = spec.replace(/^(?:proxy:)+/, "");
  const type = bare.slice(0, Math.max(bare.indexOf(":"), 0));
  const name = bare.slice(type.length + 1);
  const row = tableType(type);
  const keyed = row?.keyed === true;
  if (name === "" || name.startsWith("{") || !(keyed || RULES.has(type))) return undefined;
  const path = name.startsWith("/") ? name : `${directory}/${name}`;
  return { type, path, keyed, indexed: row?.index !== undefined };
}

/** Reads the sources of indexed tables, once each, to find the line that an index's answer came from. */
export class SourceFiles {
  readonly #directory: string;
  readonly #read = new Map<string, ReadonlyMap<string, SourceRecord> | undefined>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  of(spec: string): TableSource | undefined {
    return sourceOf(spec, this.#directory);
  }

  /** The record of a key in the source of a keyed table; undefined when the text does not have it, or is not there. */
  record(spec: string, key: string): SourceRecord | undefined {
    const source = this.of(spec);
    if (source === undefined || !source.keyed) return undefined;
    if (!this.#read.has(source.path)) this.#read.set(source.path, recordsOf(source.path));
    return this.#read.get(source.path)?.get(foldKey(key));
  }
}

function recordsOf(path: string): ReadonlyMap<string, SourceRecord> | undefined {
  try {
    return readSource(readWhole(path), path, {
      format: "auto",
      fold: true,
      encoding: "utf8",
      warn: () => {},
      duplicate: () => {},
    });
  } catch {
    return undefined; // an index can be used without its source
  }
}
