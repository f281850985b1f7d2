import { readWhole } from "../../platform/file/random_access_file.ts";
import type { TableContext } from "../context.ts";
import { ABSENT, type Table } from "../table.ts";
import { plainTable, unavailable } from "../unavailable.ts";

/** The system's NIS domain; "" when none is set. */
function nisDomain(): string {
  try {
    const name = readWhole("/proc/sys/kernel/domainname").toString().trim();
    return name === "(none)" ? "" : name;
  } catch {
    return "";
  }
}

/**
 * `nis:map`: part of Postfix's default alias_maps. Where the system has no NIS domain nothing is ever found, as in Postfix;
 * where it has one the table is unavailable, since NIS is not spoken here.
 */
export function openNis(_name: string, spec: string, { warn }: TableContext): Table {
  if (nisDomain() === "") {
    warn("dict_nis_init: NIS domain name not set - NIS lookups disabled");
    return plainTable(spec, () => ABSENT);
  }
  warn(`${spec}: NIS is not supported; remove it from the configuration`);
  return unavailable(spec, "NIS is not supported", false);
}
