import { foldKey } from "../table/fold.ts";
import type { OpenTable } from "../table/context.ts";
import type { Answer, Table } from "../table/table.ts";
import type { ProvenEdit } from "./explanation.ts";

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
    close: () => table.close(),
  };
}
