import { ownershipOf } from "../platform/file/mail_files.ts";
import type { Table } from "./table.ts";

/** The file behind a table whose type does not say what it has opened (`mysql:/etc/aliases.cf`), if it has one. */
function fileOf(spec: string): string | undefined {
  const path = spec.replace(/^(?:proxy:)?[^:]*:/, "");
  return path.startsWith("/") ? path : undefined;
}

/**
 * The user id of who a table belongs to: the owner of the file that answers come from, asked of the open file where the type
 * can tell (the path may lead to another by now). What stands in main.cf itself is root's. Undefined when it is not known.
 */
export function ownerOfTable(table: Table): number | undefined {
  if (table.owner !== undefined) return table.owner();
  const file = fileOf(table.spec);
  if (file === undefined) return 0;
  const owner = ownershipOf(file);
  return owner === "hidden" ? undefined : owner?.uid;
}

/** Who a table made of others belongs to: somebody other than root as soon as one of them does. */
export function ownerOfAll(tables: readonly Table[]): number | undefined {
  const owners = tables.map(ownerOfTable);
  return owners.find((owner) => owner !== 0) ?? (owners.includes(undefined) ? undefined : 0);
}
