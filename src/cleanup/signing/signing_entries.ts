import { splitList } from "../../config/syntax/list.ts";
import type { OpenTables } from "../../rewrite/open_tables.ts";
import { findKeyEntries, type KeyEntry, parseKeyEntries } from "./key_table.ts";

/** What dkim_signing_keys says, as far as it can be told without asking for each domain there is. */
export interface SigningEntries {
  readonly entries: readonly KeyEntry[];
  /** Entries and tables that say nothing of use. */
  readonly problems: readonly string[];
  /** Domains of ours (`wanted`) that have no key. */
  readonly without: readonly string[];
}

/** Keys that are looked at, at most. */
const MOST = 1000;

const NO_KEY = { is: "absent" } as const;

/** The keys that the tables list, and those of the domains that are `wanted`, which are asked for. */
export async function signingEntries(
  tables: string,
  wanted: readonly string[],
  openTables: OpenTables,
): Promise<SigningEntries> {
  const found = new Map<string, KeyEntry>();
  const problems: string[] = [];
  const take = (entries: readonly KeyEntry[]) => {
    for (const entry of entries) if (found.size < MOST) found.set(nameOf(entry), entry);
  };
  for (const spec of splitList(tables)) {
    for (const { key, value } of listed(spec, openTables)) {
      const domain = key.toLowerCase().replace(/^\./, "");
      const entries = parseKeyEntries(domain, value);
      if (typeof entries === "string") problems.push(`dkim_signing_keys: entry of ${key}: ${entries}`);
      else take(entries);
    }
  }
  const without: string[] = [];
  const maps = openTables.maps(tables, "dkim_signing_keys");
  for (const domain of new Set(wanted)) {
    const answer = maps === undefined ? NO_KEY : await findKeyEntries(maps, domain);
    if (answer.is === "found") take(answer.entries);
    else if (answer.is === "absent") without.push(domain);
    else problems.push(answer.why);
  }
  return { entries: [...found.values()], problems: [...new Set(problems)], without };
}

function nameOf({ domain, selector, source }: KeyEntry): string {
  return `${selector}._domainkey.${domain} ${"path" in source ? source.path : ""}`;
}

/** Keys and values that a table lists; patterns stand for nobody in particular. */
function listed(
  spec: string,
  openTables: OpenTables,
): readonly { readonly key: string; readonly value: string }[] {
  const table = openTables.table(spec);
  const out: { key: string; value: string }[] = [];
  for (const each of table.possible?.(() => true) ?? []) {
    if (each.is === "key" && out.length < MOST) out.push({ key: each.key, value: each.value });
  }
  return out;
}
