import type { Resolver } from "../../dns/resolver.ts";
import type { DmarcResult } from "../../mailauth/dmarc/dmarc_result.ts";
import { RecordAsker } from "../../mailauth/dmarc/tree_walk.ts";
import { verifyDestination } from "../../mailauth/reports/external_destination.ts";
import { reportUris } from "../../mailauth/reports/report_uri.ts";
import { type CheckResult, warning } from "../check_result.ts";
import { txtRecord } from "./spf_edit.ts";

/** Whether the places that a DMARC record names for reports take them: those outside of the domain have to say so (RFC 9990 §4). */
export async function checkDestinations(
  { record, policyDomain }: DmarcResult,
  resolver: Pick<Resolver, "query">,
  signal: AbortSignal,
): Promise<CheckResult[]> {
  if (record === undefined || policyDomain === undefined) return [];
  const world = { resolver, asker: new RecordAsker({ resolver, signal }) };
  const found = await Promise.all(
    reportUris(record.rua.join(",")).map(async (uri) => {
      const destination = await verifyDestination(policyDomain, uri, world);
      if (destination.is !== "refused") return [];
      return [warning("DMARC", `nobody sends reports to ${uri.address}: ${destination.why}`, {
        fix: `let ${uri.host} publish that it takes them, or name an address of ${policyDomain} in rua=`,
        record: txtRecord(`${policyDomain}._report._dmarc.${uri.host}`, "v=DMARC1;"),
      })];
    }),
  );
  return found.flat();
}
