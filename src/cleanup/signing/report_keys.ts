import { isHostname } from "../../address/hostname.ts";
import { asciiDomain } from "../../address/idna.ts";
import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import type { OpenTables } from "../../rewrite/open_tables.ts";
import { type KeyReport, type KeyReportWorld, reportKey } from "./key_report.ts";
import type { KeyEntry } from "./key_table.ts";
import { signingEntries } from "./signing_entries.ts";

/** The parameters that say which keys there are, and what our own domains are. */
export const KEY_REPORT_PARAMETERS = [
  "dkim_signing_keys",
  "mydomain",
  "myhostname",
  "myorigin",
] as const satisfies readonly ParameterName[];

/** How it stands with all keys. */
export interface KeyReports {
  readonly keys: readonly KeyReport[];
  /** Entries and tables that are wrong. */
  readonly problems: readonly string[];
  /** Domains that were asked for and have no key. */
  readonly without: readonly string[];
  /** What mail of ours goes without a signature, and need not. */
  readonly notes: readonly string[];
}

/** Whether mail of a domain may be signed with a key. */
export function covers({ domain }: Pick<KeyEntry, "domain">, of: string): boolean {
  return domain === of || of.endsWith(`.${domain}`);
}

/** Reports on the keys of some domains, or, without any named, on all that can be known. */
export async function reportKeys(
  settings: SettingsOf<typeof KEY_REPORT_PARAMETERS>,
  world: KeyReportWorld & { readonly openTables: OpenTables },
  domains: readonly string[] = [],
): Promise<KeyReports> {
  const { myorigin, mydomain, myhostname, dkim_signing_keys: tables } = settings;
  const own = [myorigin, mydomain, myhostname].map((name) => asciiDomain(name).toLowerCase()).filter(
    isHostname,
  );
  const isAll = domains.length === 0;
  const { entries, problems, without } = await signingEntries(
    tables,
    isAll ? own : domains,
    world.openTables,
  );
  const wanted = entries.filter((entry) => isAll || domains.some((domain) => covers(entry, domain)));
  return {
    keys: await Promise.all(wanted.map((entry) => reportKey(entry, world))),
    problems,
    // Not each of our own names has to write mail.
    without: isAll ? [] : without,
    notes: isAll && entries.length > 0 && without.includes(asciiDomain(myhostname).toLowerCase())
      ? [
        `notices come from MAILER-DAEMON@${myhostname}, which has no key: they are not signed; ${
          noticeEntry(entries, myhostname)
        }`,
      ]
      : [],
  };
}

/** What would sign them: often the key of the parent domain is there. */
function noticeEntry(entries: readonly KeyEntry[], myhostname: string): string {
  const parent = entries.find(({ domain }) => myhostname.endsWith(`.${domain}`));
  return `add an entry for ${parent === undefined ? myhostname : `.${parent.domain}`} to dkim_signing_keys`;
}
