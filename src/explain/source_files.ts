import { tableType } from "../table/table_types.ts";

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
function sourceOf(spec: string, directory: string): TableSource | undefined {
  const bare = spec.replace(/^(?:proxy:)+/, "");
  const type = bare.slice(0, Math.max(bare.indexOf(":"), 0));
  const name = bare.slice(type.length + 1);
  const row = tableType(type);
  const keyed = row?.keyed === true;
  if (name === "" || name.startsWith("{") || !(keyed || RULES.has(type))) return undefined;
  const path = name.startsWith("/") ? name : `${directory}/${name}`;
  return { type, path, keyed, indexed: row?.index !== undefined };
}

/** The texts behind the tables of one configuration directory. */
export class SourceFiles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  of(spec: string): TableSource | undefined {
    return sourceOf(spec, this.#directory);
  }
}
