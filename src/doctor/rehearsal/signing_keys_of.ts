import { reportKey } from "../../cleanup/signing/key_report.ts";
import { findKeyEntries } from "../../cleanup/signing/key_table.ts";
import type { Configuration } from "../../config/service.ts";
import { isOpenToAll } from "../../platform/file/private_file.ts";
import { ownTlsFiles } from "../../tls/tls_files.ts";
import type { MailWorld } from "../../worker/services/mail_world.ts";
import type { DkimFacts } from "./dkim_check.ts";

const FILTERS = ["smtpd_milters", "non_smtpd_milters", "content_filter", "smtpd_proxy_filter"] as const;

/** The keys that mail of a domain would be signed with, and how each of them stands in the DNS. */
export async function dkimFacts(
  domain: string,
  { services, parameter }: Configuration,
  { openTables, resolver }: MailWorld,
  signal: AbortSignal,
): Promise<DkimFacts> {
  const hasFilters = FILTERS.some((name) =>
    (parameter(name) ?? "") !== "" || services.some((service) => (service.parameter(name) ?? "") !== "")
  );
  const maps = openTables.maps(parameter("dkim_signing_keys") ?? "", "dkim_signing_keys");
  if (maps === undefined) return { domain, hasFilters, keys: { is: "off" } };
  const found = await findKeyEntries(maps, domain);
  if (found.is !== "found") return { domain, hasFilters, keys: found };
  const files = { resolver, read: (path: string) => ownTlsFiles.read(path), isOpenToAll };
  const reports = await Promise.all(found.entries.map((entry) => reportKey(entry, files, signal)));
  return { domain, hasFilters, keys: { is: "keys", reports } };
}
