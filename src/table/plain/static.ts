import { balancedLength } from "../../config/syntax/list.ts";
import { plainTable, unavailable } from "../unavailable.ts";
import type { Table } from "../table.ts";

/** `static:value`: every key has that value; `static:{ text with blanks }` (DATABASE_README). */
export function openStatic(name: string, spec: string): Table {
  let value = name;
  if (name.startsWith("{")) {
    const length = balancedLength(name);
    const why = length === 0 ? `missing '}' in "${name}"` : `syntax error after '}' in "${name}"`;
    if (length !== name.length) return unavailable(spec, `bad static:name syntax: ${why}`, false);
    value = name.slice(1, -1).trim();
  }
  const answer = { is: "found", value } as const;
  return { ...plainTable(spec, () => answer), possible: () => [{ is: "any", value }] };
}
