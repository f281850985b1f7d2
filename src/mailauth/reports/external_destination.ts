import type { Resolver } from "../../dns/resolver.ts";
import { organizationalDomain, type RecordAsker } from "../dmarc/tree_walk.ts";
import { type ReportUri, reportUris, ruaOf } from "./report_uri.ts";

/** What the question of a destination needs. */
export interface DestinationWorld {
  readonly resolver: Pick<Resolver, "query">;
  readonly asker: RecordAsker;
  readonly signal?: AbortSignal;
}

/** Whether a report may go to a place, and where instead. */
export type Destination =
  | { readonly is: "allowed"; readonly uris: readonly ReportUri[] }
  | { readonly is: "refused"; readonly why: string }
  | { readonly is: "trouble"; readonly why: string };

/** Longest name in the DNS, in text. */
const LONGEST_NAME = 253;
const VERSION = /^[ \t]*v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)/;

/** Asks a place outside of a domain's own organization whether it takes reports about that domain (RFC 9990 §4). */
export async function verifyDestination(
  policyDomain: string,
  uri: ReportUri,
  { resolver, asker, signal }: DestinationWorld,
): Promise<Destination> {
  const [own, other] = [await organization(policyDomain, asker), await organization(uri.host, asker)];
  if (typeof own === "object") return own;
  if (typeof other === "object") return other;
  if (own === other) return { is: "allowed", uris: [uri] };
  const name = `${policyDomain}._report._dmarc.${uri.host}`;
  if (name.length > LONGEST_NAME) return { is: "refused", why: `${name} is too long to be asked for` };
  const answer = await resolver.query(name, "TXT", signal);
  if (answer.is === "trouble" && answer.retry) return { is: "trouble", why: `${name}: ${answer.why}` };
  const records = answer.is === "records" ? answer.records.map(({ text }) => text) : [];
  const agreeing = records.filter((text) => VERSION.test(text));
  if (agreeing.length === 0) {
    return { is: "refused", why: `${name} does not say that reports are welcome` };
  }
  return overridden(uri, agreeing);
}

async function organization(domain: string, asker: RecordAsker): Promise<string | Destination> {
  const walked = await asker.walk(domain);
  if (walked.is === "walked") return organizationalDomain(domain, walked.found);
  return { is: walked.is === "temperror" ? "trouble" : "refused", why: walked.why };
}

/** A place may name another of the same host; one that names others gets nothing. */
function overridden(uri: ReportUri, records: readonly string[]): Destination {
  const named = records.map(ruaOf).filter((rua) => rua !== "");
  if (named.length === 0) return { is: "allowed", uris: [uri] };
  const uris = reportUris(named.join(","));
  return uris.length > 0 && uris.every(({ host }) => host === uri.host)
    ? { is: "allowed", uris }
    : { is: "refused", why: `${uri.host} sends reports on to others` };
}
