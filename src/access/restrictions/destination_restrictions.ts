import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Match } from "../../table/search/match_list.ts";
import { addressSubject, isFinal } from "./address_restrictions.ts";
import type { Query, Refused, Restriction, Verdict } from "../restriction.ts";
import { DUNNO, lookupFailure, reject, rejectedText } from "../verdict.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/** Whether mail for a recipient may come in without further credentials, or a refusal when that cannot be told. */
export type Authorization = "authorized" | "not authorized" | Refused;

/**
 * Whether we are a destination for the recipient: one of our domains, or a relay domain; never for an address that would be
 * routed on from here (permit_auth_destination; allow_untrusted_routing). The heart of relay control.
 */
export function authorizeDestination(
  deps: RestrictionDeps,
  query: Query,
  recipient: string,
): MaybeAsync<Authorization> {
  return then(query.resolve(query.facts.sender, recipient), (resolution): Authorization => {
    if (resolution.is === "trouble") return lookupFailure(recipient, resolution.why);
    if (resolution.malformed) return "not authorized";
    if (resolution.routed && !deps.settings.allow_untrusted_routing) return "not authorized";
    return isFinal(resolution) || resolution.class === "relay" ? "authorized" : "not authorized";
  });
}

/** permit_auth_destination. */
export function permitAuthDestination(deps: RestrictionDeps, name: string): Restriction {
  return (query) => {
    const { recipient } = query.facts;
    if (recipient === undefined) return DUNNO;
    return then(authorizeDestination(deps, query, recipient), (answer): Verdict => {
      if (typeof answer === "object") return answer;
      return answer === "authorized" ? permitRecipient(recipient, name) : DUNNO;
    });
  };
}

/** A permit that the recipient's domain earned. */
export function permitRecipient(recipient: string, action: string): Verdict {
  return { is: "permit", action, about: addressSubject("recipient", recipient) };
}

/** reject_unauth_destination and defer_unauth_destination: what keeps the server from being an open relay. */
export function refuseUnauthDestination(deps: RestrictionDeps, how: "reject" | "defer"): Restriction {
  const code = deps.settings.relay_domains_reject_code - (how === "defer" ? 100 : 0);
  const status = how === "defer" ? "4.7.1" : "5.7.1";
  return (query) => {
    const { recipient } = query.facts;
    if (recipient === undefined) return DUNNO;
    return then(authorizeDestination(deps, query, recipient), (answer): Verdict => {
      if (typeof answer === "object") return answer;
      return answer === "authorized" ? DUNNO : reject(code, status, `<${recipient}>: Relay access denied`);
    });
  };
}

/** check_relay_domains (obsolete): clients in relay_domains, or recipients that we are a destination for; nobody else. */
export function checkRelayDomains(deps: RestrictionDeps, name: string): Restriction {
  return (query) => {
    const { recipient, client } = query.facts;
    if (recipient === undefined) return DUNNO;
    const matches: MaybeAsync<Match> = deps.relayDomains?.matches(client.name) ?? { is: "no" };
    return then(
      matches,
      (match): MaybeAsync<Verdict> => {
        if (match.is === "trouble") return lookupFailure(recipient, match.why);
        if (match.is === "yes") return permitRecipient(recipient, name);
        return then(authorizeDestination(deps, query, recipient), (answer): Verdict => {
          if (typeof answer === "object") return answer;
          if (answer === "authorized") return permitRecipient(recipient, name);
          const text = rejectedText(addressSubject("recipient", recipient), "Relay access denied");
          return reject(deps.settings.relay_domains_reject_code, "5.7.1", text);
        });
      },
    );
  };
}
