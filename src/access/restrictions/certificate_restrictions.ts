import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { splitList, splitListRaw, stripBraces } from "../../config/syntax/list.ts";
import type { Answer, Table } from "../../table/table.ts";
import { firstFound } from "../table/access_table.ts";
import { permitClient } from "./client_restrictions.ts";
import { lookupVerdict } from "../table/lookup_verdict.ts";
import type { DefaultCheck, Query, Restriction, Verdict } from "../restriction.ts";
import { DUNNO, lookupFailure, serverError, warned } from "../verdict.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/** permit_tls_clientcerts, permit_tls_all_clientcerts: by fingerprint in relay_clientcerts, or any verified certificate. */
export function permitTlsClientcerts(deps: RestrictionDeps, name: string, all: boolean): Restriction {
  const maps = deps.openTables.maps(deps.settings.relay_clientcerts, "relay_clientcerts");
  return (query) => {
    const { tls } = query.facts;
    if (tls === undefined) return DUNNO;
    if (tls.peer === undefined) return unasked(deps, name);
    const { peer } = tls;
    if (all && peer.trusted) return permitClient(deps, query.facts, name);
    if (maps === undefined) return DUNNO;
    const find = (fingerprint: string, next: () => MaybeAsync<Verdict>) =>
      then(maps.whole.find(fingerprint), (answer: Answer): MaybeAsync<Verdict> => {
        if (answer.is === "found") return permitClient(deps, query.facts, name);
        return answer.is === "absent" ? next() : lookupFailure(query.about.name, answer.why);
      });
    return find(peer.fingerprint, () => find(peer.publicKeyFingerprint, () => DUNNO));
  };
}

/** No certificate came: because none was asked for? */
function unasked(deps: RestrictionDeps, name: string): Verdict {
  if (deps.settings.smtpd_tls_ask_ccert) return DUNNO;
  return warned(`${name} is requested, but "smtpd_tls_ask_ccert = no"`);
}

type Fingerprint = "cert_fingerprint" | "pubkey_fingerprint";

interface CertificateTable {
  readonly table: Table;
  readonly order: readonly Fingerprint[];
}

/** Reads `type:name` or `{ type:name { search_order = cert_fingerprint, pubkey_fingerprint } }` (postconf(5)). */
function parseSpec(deps: RestrictionDeps, spec: string): CertificateTable | Verdict {
  const [name = "", ...attributes] = splitListRaw(spec);
  const order: Fingerprint[] = [];
  for (const attribute of attributes) {
    const inner = attribute.startsWith("{") ? stripBraces(attribute) : attribute;
    const match = typeof inner === "string" ? /^search_order\s*=\s*(.*)$/s.exec(inner) : null;
    if (match === null) return serverError(`See earlier parsing error messages for '${spec}'`);
    for (const word of splitList(match[1]!)) {
      if (word !== "cert_fingerprint" && word !== "pubkey_fingerprint") {
        return serverError(`unknown search_order value "${word}" in '${spec}'`);
      }
      order.push(word);
    }
  }
  const all = order.length > 0 ? order : ["cert_fingerprint" as const, "pubkey_fingerprint" as const];
  return { table: deps.openTables.table(name), order: all };
}

/** check_ccert_access: rules by the fingerprints of the client's certificate and key (access(5)). */
export function checkCcertAccess(
  deps: RestrictionDeps,
  spec: string,
  defaultCheck: DefaultCheck | undefined,
  name: string,
): Restriction {
  const parsed = parseSpec(deps, spec);
  if ("is" in parsed) return () => parsed;
  return (query) => {
    const peer = query.facts.tls?.peer;
    if (peer === undefined) return unasked(deps, name);
    const prints = parsed.order.map((which) =>
      which === "cert_fingerprint" ? peer.fingerprint : peer.publicKeyFingerprint
    );
    return byFingerprints(deps, parsed.table, prints, peer.subject, query, defaultCheck);
  };
}

function byFingerprints(
  deps: RestrictionDeps,
  table: Table,
  prints: readonly string[],
  subject: string,
  query: Query,
  defaultCheck: DefaultCheck | undefined,
): MaybeAsync<Verdict> {
  const [first, ...rest] = prints;
  if (first === undefined) return DUNNO;
  const about = { name: subject, class: "Client certificate" as const };
  return then(firstFound(table, [first]), (answer) => {
    const verdict = lookupVerdict(deps, { table, datum: first, about, query, defaultCheck }, answer);
    return verdict.is === "dunno" ? byFingerprints(deps, table, rest, subject, query, defaultCheck) : verdict;
  });
}
