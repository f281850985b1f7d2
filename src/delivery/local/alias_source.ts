import type { Table } from "../../table/table.ts";
import type { Identity } from "../mailbox/writer.ts";

/** A table of alias_maps and whose it is. */
export interface AliasSource {
  readonly table: Table;
  /** The owner of the file when it is not root's: its commands and files are delivered with the owner's rights (local(8)). */
  owner(): Identity | undefined;
}

/** File names that an alias table may have, the index first. */
function filesOf(spec: string): string[] {
  const colon = spec.indexOf(":");
  const path = spec.slice(colon + 1);
  if (colon < 0 || !path.startsWith("/")) return [];
  const suffix: Readonly<Record<string, string>> = {
    hash: ".db",
    btree: ".db",
    lmdb: ".lmdb",
    cdb: ".cdb",
    dbm: ".pag",
    sdbm: ".pag",
  };
  const index = suffix[spec.slice(0, colon)];
  return index === undefined ? [path] : [`${path}${index}`, path];
}

/** Finds out whose an alias table is. */
export function aliasSource(
  table: Table,
  ownership: (path: string) => Identity | "hidden" | undefined,
): AliasSource {
  const files = filesOf(table.spec.replace(/^proxy:/, ""));
  return {
    table,
    owner() {
      for (const file of files) {
        const owner = ownership(file);
        if (owner !== undefined && owner !== "hidden") {
          return owner.uid === 0 ? undefined : { uid: owner.uid, gid: owner.gid };
        }
      }
      return undefined;
    },
  };
}
