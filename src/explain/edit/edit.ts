import { foldKey } from "../../table/text/fold.ts";
import type { OpenTable } from "../../table/context.ts";
import type { Answer, Possible, Table } from "../../table/table.ts";
import type { ProvenEdit } from "../explanation.ts";

/** What an edit changes, as far as a trial in memory needs to know. */
export type Change =
  /** A file of the configuration becomes this text. */
  | { readonly is: "file"; readonly file: "main" | "master"; readonly text: string }
  /** A table answers one key in another way; undefined: not at all. */
  | {
    readonly is: "record";
    readonly spec: string;
    readonly key: string;
    readonly value: string | undefined;
  };

/** An edit that has not been tried yet. */
export interface Edit extends Omit<ProvenEdit, "command" | "reply"> {
  readonly change: Change;
}

/** Opens tables with one record changed, for a trial. */
export function withRecord(open: OpenTable, change: Extract<Change, { is: "record" }>): OpenTable {
  return (spec, context) => {
    const table = open(spec, context);
    return spec === change.spec ? changed(table, change) : table;
  };
}

function changed(table: Table, { key, value }: Extract<Change, { is: "record" }>): Table {
  const own: Answer = value === undefined ? { is: "absent" } : { is: "found", value };
  const folded = foldKey(key);
  return {
    spec: table.spec,
    pattern: table.pattern,
    lookup: (asked) => foldKey(asked) === folded ? own : table.lookup(asked),
    possible: (wanted) => possibleWith(table.possible?.(wanted), key, value),
    lineOf: (asked) => table.lineOf?.(asked),
    close: () => table.close(),
  };
}

/** All that the changed table may answer; the new line stands before the rules of a pattern table. */
function possibleWith(
  known: Iterable<Possible> | undefined,
  key: string,
  value: string | undefined,
): Iterable<Possible> | undefined {
  if (known === undefined) return undefined;
  const folded = foldKey(key);
  const isOther = (each: Possible) => each.is !== "key" || foldKey(each.key) !== folded;
  return function* (): Iterable<Possible> {
    if (value !== undefined) yield { is: "key", key, value };
    for (const each of known) if (isOther(each)) yield each;
  }();
}
