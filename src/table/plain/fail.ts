import type { Table } from "../table.ts";
import { plainTable } from "../unavailable.ts";

const REASON = "Application error";

/** `fail:name`: every lookup is trouble, for tests and for tables that must not be used (DATABASE_README). */
export function openFail(_name: string, spec: string): Table {
  return plainTable(
    spec,
    () => ({
      is: "trouble",
      retry: true,
      why: `table ${spec}: query error: ${REASON}`,
      part: { of: "query", reason: REASON },
    }),
  );
}
