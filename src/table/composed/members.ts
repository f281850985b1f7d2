import { splitListRaw } from "../../config/syntax/list.ts";
import type { OpenTable, TableContext } from "../context.ts";
import { insideBraces } from "../plain/inline.ts";
import { shownSpec } from "../shown_spec.ts";
import type { Table } from "../table.ts";

/** The items of `{item, item}`; an item in braces loses them. Undefined when the name is not that. */
export function bracedItems(name: string): readonly string[] | undefined {
  const inner = insideBraces(name);
  if (inner === undefined) return undefined;
  return splitListRaw(inner).map((item) => item.startsWith("{") ? insideBraces(item)?.trim() ?? item : item);
}

/** Opens the tables of `unionmap:{...}` and `pipemap:{...}`; or says what is wrong. */
export function openMembers(
  type: string,
  name: string,
  spec: string,
  context: TableContext,
  open: OpenTable,
): readonly Table[] | string {
  const items = bracedItems(name);
  if (items === undefined || items.length === 0) {
    return `bad syntax: "${shownSpec(spec)}"; need "${type}:{type:name...}"`;
  }
  const wrong = items.find((item) => !/^[^:]+:./.test(item));
  if (wrong !== undefined) return `bad syntax: "${shownSpec(spec)}"; need "${type}:{type:name...}"`;
  return items.map((item) => open(item, context));
}
