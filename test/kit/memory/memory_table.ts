import { ABSENT, type Answer, type Table } from "../../../src/table/table.ts";

/** A table over a record; a value that is an Answer is given as it is. */
export function memoryTable(
  rows: Readonly<Record<string, string | Answer>>,
  spec = "memory:test",
): Table {
  return {
    spec,
    pattern: false,
    lookup(key) {
      const value = rows[key];
      if (value === undefined) return ABSENT;
      return typeof value === "string" ? { is: "found", value } : value;
    },
    close() {},
  };
}
