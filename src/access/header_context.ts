import { type MaybeAsync, then } from "../base/maybe_async.ts";
import { splitList } from "../config/syntax/list.ts";
import { permitTlsClientcerts } from "./restrictions/certificate_restrictions.ts";
import {
  permitInetInterfaces,
  permitMynetworks,
  permitSaslAuthenticated,
} from "./restrictions/client_restrictions.ts";
import { firstFound } from "./table/access_table.ts";
import type { Facts, HeaderContext } from "./policy.ts";
import type { Query, Restriction, Verdict } from "./restriction.ts";
import { classed, defer } from "../smtp/reply.ts";
import { DUNNO, serverError } from "./verdict.ts";
import type { RestrictionDeps } from "./restriction_deps.ts";

/** Answers whether a client's headers are completed like our own. */
export type HeaderContextOf = (facts: Facts) => MaybeAsync<HeaderContext>;

/** Builds the decision of local_header_rewrite_clients; items that it does not know decide nothing (postconf(5)). */
export function createHeaderContext(restrictionDeps: RestrictionDeps): HeaderContextOf {
  const checks = compile(restrictionDeps, splitList(restrictionDeps.settings.local_header_rewrite_clients));
  const from = (query: Query, at: number): MaybeAsync<HeaderContext> => {
    if (at >= checks.length) return { is: "remote" };
    return then(checks[at]!(query), (verdict) => {
      if (verdict.is === "permit") return { is: "local" };
      if (verdict.is === "reject") return trouble(verdict.refusal.status);
      return from(query, at + 1);
    });
  };
  return (facts) => from(questionOf(facts), 0);
}

function trouble(status: string): HeaderContext {
  const temporary = status === "4.3.0";
  const refusal = temporary
    ? classed(defer(451, "4.3.0", "Temporary lookup error"), "resource")
    : classed(defer(451, "4.3.5", "Server configuration error"), "software");
  return { is: "trouble", refusal };
}

function questionOf(facts: Facts): Query {
  return {
    facts,
    stage: "MAIL",
    about: { name: "", class: "Client host" },
    resolve: () => ({ is: "trouble", why: "no address is looked at" }),
    spf: () => undefined,
  };
}

function compile(restrictionDeps: RestrictionDeps, items: readonly string[]): Restriction[] {
  return items.flatMap((item): Restriction[] => {
    if (item.includes(":")) return [addressTable(restrictionDeps, item)];
    switch (item.toLowerCase()) {
      case "permit_inet_interfaces":
        return [permitInetInterfaces(restrictionDeps, item)];
      case "permit_mynetworks":
        return [permitMynetworks(restrictionDeps, item)];
      case "permit_sasl_authenticated":
        return [permitSaslAuthenticated(restrictionDeps, item)];
      case "permit_tls_clientcerts":
        return [permitTlsClientcerts(restrictionDeps, item, false)];
      case "permit_tls_all_clientcerts":
        return [permitTlsClientcerts(restrictionDeps, item, true)];
      default:
        return [];
    }
  });
}

/** check_address_map, or a bare table: the client's address is a key. */
function addressTable(restrictionDeps: RestrictionDeps, spec: string): Restriction {
  const table = restrictionDeps.openTables.table(spec);
  return ({ facts }) =>
    then(firstFound(table, [facts.client.address]), (answer): Verdict => {
      if (answer.is === "absent") return DUNNO;
      if (answer.is === "trouble") return serverError(answer.why);
      return { is: "permit", action: spec, about: { name: facts.client.address, class: "Client host" } };
    });
}
