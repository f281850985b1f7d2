import { ABSENT, type Table } from "../table.ts";
import { plainTable } from "../unavailable.ts";

/** `internal:name`: a table in memory that starts empty and that no configuration can fill (DATABASE_README). */
export function openInternal(_name: string, spec: string): Table {
  return plainTable(spec, () => ABSENT);
}
