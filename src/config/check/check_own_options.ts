import { parameters } from "../parameters/parameters.ts";
import type { ParameterRow } from "../parameters/parameter.ts";
import type { MasterCf } from "../syntax/master_cf.ts";
import type { Diagnostic } from "../syntax/diagnostic.ts";

const ROWS: ReadonlyMap<string, ParameterRow> = new Map(Object.entries(parameters));

/** Of main.cf, whoever reads them: there is one sender rewriting and one account of reports. */
const MAIN_CF_ALONE = /^(?:srs_|dmarc_report)/;

/** Of cleanup(8), though smtpd(8) asks whether there are any. */
const CLEANUP = new Set(["dkim_signing_keys", "arc_sealing_domain"]);

/** The programs at whose entries a `-o` with a parameter of our own acts; undefined where it does at any, or the parameter is Postfix's. */
function readersOf(name: string): readonly string[] | undefined {
  const row = ROWS.get(name);
  if (row?.since !== "mta") return undefined;
  if (MAIN_CF_ALONE.test(name)) return [];
  if (CLEANUP.has(name)) return ["cleanup"];
  const readers = row.daemons.split(",").filter((reader) => reader !== "master" && reader !== "postfix");
  if (readers.includes("all")) return undefined;
  return readers.includes("smtpd") ? [...readers, "postscreen"] : readers;
}

/**
 * Parameters of our own that stand with `-o` at an entry where nobody reads them. Postfix says nothing of its own ones there, and people
 * have long lists of them; but ours are new to everybody, and what they turn on or protect would be missed.
 */
export function checkOwnOptions({ entries, path }: MasterCf): Diagnostic[] {
  return entries.flatMap(({ name, type, line, program, options }) =>
    options.flatMap((option): Diagnostic[] => {
      const readers = readersOf(option.name);
      if (readers === undefined || option.value === "" || readers.includes(program)) return [];
      const elsewhere = readers.length === 0 ? "in main.cf" : `in main.cf, or at an entry of ${readers[0]}`;
      return [{
        level: "warning",
        text: `-o ${option.name} has no effect at an entry of ${program}`,
        file: path,
        line,
        service: `${name}/${type}`,
        parameter: option.name,
        value: option.value,
        expected: `it ${elsewhere}`,
      }];
    })
  );
}
