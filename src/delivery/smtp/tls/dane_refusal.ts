import type { DnsAnswer } from "../../../dns/answer.ts";
import { queryName } from "../../../dns/name.ts";
import type { PolicyFault } from "../../../tls/client_policy.ts";
import type { RefinePolicy } from "./client_policies.ts";

const NO_DANE: PolicyFault = { status: "4.7.5", text: "TLS is required, but DANE is unavailable" };

/** A host that publishes TLSA records is not spoken to without looking at them; nor one of which that cannot be found out (RFC 7672 §2.1). */
export function refuseDane(find: (name: string) => Promise<DnsAnswer<"TLSA">>): RefinePolicy {
  return async (draft, { host, port }) => {
    if (draft.level === "dane-only") return { is: NO_DANE, warnings: [] };
    if (draft.level !== "dane") return { is: draft, warnings: [] };
    const may = { ...draft, level: "may" as const };
    if (queryName(host) === undefined || /^[\d.]+$/.test(host)) return { is: may, warnings: [] };
    const answer = await find(`_${port}._tcp.${host}`);
    if (answer.is === "records") return { is: NO_DANE, warnings: [] };
    if (answer.is !== "trouble") return { is: may, warnings: [] };
    const text = `TLSA lookup error for ${host}:${port}: ${answer.why}`;
    return { is: { status: "4.7.5", text }, warnings: [] };
  };
}
