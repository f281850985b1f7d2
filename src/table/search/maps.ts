import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import type { TableContext } from "../context.ts";
import { ABSENT, type Answer, type Table } from "../table.ts";
import { shownSpec } from "../shown_spec.ts";

/** A parameter's list of tables, such as `canonical_maps`. */
export interface Maps {
  readonly tables: readonly Table[];
  /** First hit wins, trouble stops. An empty key is never looked up; an empty value is warned about and skipped (maps_find). */
  find(key: string): MaybeAsync<Answer>;
  close(): void;
}

/** The tables of a list as one. `title` names the parameter in warnings. */
export function mapsOf(tables: readonly Table[], context: Pick<TableContext, "warn">, title = "maps"): Maps {
  return {
    tables,
    find: (key) =>
      key === "" ? ABSENT : findFrom(tables, 0, key, (spec) => emptyValue(context, title, spec, key)),
    close: () => tables.forEach((table) => table.close()),
  };
}

function emptyValue(context: Pick<TableContext, "warn">, title: string, spec: string, key: string): void {
  context.warn(`${title} lookup of ${key} returns an empty string result`);
  context.warn(`table ${shownSpec(spec)} should return NO RESULT in case of NOT FOUND`);
}

function findFrom(
  tables: readonly Table[],
  start: number,
  key: string,
  empty: (spec: string) => void,
): MaybeAsync<Answer> {
  for (let at = start; at < tables.length; at++) {
    const table = tables[at]!;
    const answer = table.lookup(key);
    if (isPromise(answer)) {
      return answer.then((later) =>
        settled(later, table, key, empty) ?? findFrom(tables, at + 1, key, empty)
      );
    }
    const now = settled(answer, table, key, empty);
    if (now !== undefined) return now;
  }
  return ABSENT;
}

/** What the search ends with; undefined when the next table is to be asked. Trouble says which table and key. */
function settled(
  answer: Answer,
  table: Table,
  key: string,
  empty: (spec: string) => void,
): Answer | undefined {
  if (answer.is === "absent") return undefined;
  if (answer.is === "trouble") {
    return { ...answer, why: `${shownSpec(table.spec)} lookup error for "${key}": ${answer.why}` };
  }
  if (answer.value !== "") return answer;
  empty(table.spec);
  return undefined;
}
