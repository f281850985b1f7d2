import { bracedItems } from "./members.ts";
import { shownSpec } from "../shown_spec.ts";
import type { Table } from "../table.ts";
import { plainTable, unavailable } from "../unavailable.ts";

/** `randmap:{value, value}`: one of the values, by chance, whatever the key (DATABASE_README). */
export function openRandmap(name: string, spec: string): Table {
  const values = bracedItems(name) ?? [];
  if (values.length === 0) {
    return unavailable(spec, `bad syntax: "${shownSpec(spec)}"; need "randmap:{value...}"`, false);
  }
  return plainTable(spec, () => ({ is: "found", value: values[Math.floor(Math.random() * values.length)]! }));
}
