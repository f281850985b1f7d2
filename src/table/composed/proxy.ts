import type { OpenTable, TableContext } from "../context.ts";
import type { Table } from "../table.ts";
import { unavailable } from "../unavailable.ts";

/** `proxy:type:name`: the table itself; there is no chroot to get out of, so no proxymap(8) is needed. */
export function openProxy(name: string, spec: string, context: TableContext, open: OpenTable): Table {
  if (!/^[^:]+:./.test(name)) {
    return unavailable(spec, `open dictionary: expecting "type:name" form instead of "${name}"`, false);
  }
  const inner = open(name, context);
  return {
    spec,
    pattern: inner.pattern,
    lookup: (key) => inner.lookup(key),
    entries: () => inner.entries?.(),
    possible: (wanted) => inner.possible?.(wanted),
    lineOf: (key) => inner.lineOf?.(key),
    ...(inner.owner !== undefined && { owner: () => inner.owner!() }),
    close: () => inner.close(),
  };
}
