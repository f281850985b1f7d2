import { environment, environmentVariables } from "../../platform/process/this_process.ts";
import type { TableContext } from "../context.ts";
import { foldKey } from "../text/fold.ts";
import { ABSENT, type Table } from "../table.ts";

/** `environ:name`: environment variables by name; names are folded like other keys (DATABASE_README). */
export function openEnviron(_name: string, spec: string, context: TableContext): Table {
  return {
    spec,
    pattern: false,
    lookup: (key) => {
      const value = environment(context.fold === false ? key : foldKey(key));
      return value === undefined ? ABSENT : { is: "found", value };
    },
    entries: () =>
      Object.entries(environmentVariables()).map(([name, value]) => [name, value ?? ""] as const),
    close: () => {},
  };
}
