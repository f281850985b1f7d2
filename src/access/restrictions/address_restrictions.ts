import { splitAddress } from "../../address/address.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { isAsciiHostname, isInternationalHostname } from "../../address/hostname.ts";
import type { Resolution } from "../../routing/route.ts";
import { firstFound, mailKeys } from "../table/access_table.ts";
import { mailDomainExists } from "./dns_checks.ts";
import { tempfail, withoutFinalDot } from "./helo_restrictions.ts";
import {
  type AccessQuestion,
  ignoringPermit,
  lookupVerdict,
  withoutRelaying,
} from "../table/lookup_verdict.ts";
import type { Facts } from "../policy.ts";
import type { DefaultCheck, Query, Restriction, Subject, Verdict } from "../restriction.ts";
import { DUNNO, lookupFailure, reject, rejectedText } from "../verdict.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/** Which of the two envelope addresses a restriction looks at. */
export type Whose = "sender" | "recipient";

/** An envelope address as the subject of a refusal. */
export function addressSubject(whose: Whose, address: string): Subject {
  return { name: address, class: whose === "sender" ? "Sender address" : "Recipient address" };
}

/** The other address of the envelope: it may decide on the way that mail takes. */
function otherThan(whose: Whose, facts: Facts): string | undefined {
  return whose === "sender" ? facts.recipient : facts.sender;
}

/** Resolves an envelope address and goes on with the result; a failed lookup refuses for now. */
export function resolved(
  query: Query,
  whose: Whose,
  address: string,
  next: (resolution: Extract<Resolution, { is: "resolved" }>) => MaybeAsync<Verdict>,
): MaybeAsync<Verdict> {
  return then(query.resolve(otherThan(whose, query.facts), address), (resolution) => {
    if (resolution.is === "trouble") return lookupFailure(address, resolution.why);
    return next(resolution);
  });
}

/** Whether mail for an address ends here: local, virtual mailbox or virtual alias. */
export function isFinal(resolution: Extract<Resolution, { is: "resolved" }>): boolean {
  return !resolution.malformed && resolution.class !== "relay" && resolution.class !== "default";
}

/** check_sender_access and check_recipient_access (access(5)). */
export function checkAddressAccess(
  deps: RestrictionDeps,
  whose: Whose,
  spec: string,
  defaultCheck: DefaultCheck | undefined,
): Restriction {
  const table = deps.openTables.table(spec);
  return (query) => {
    const address = query.facts[whose];
    if (address === undefined) return DUNNO;
    const about = addressSubject(whose, address);
    if (address === "" && whose === "sender") {
      const datum = deps.settings.smtpd_null_access_lookup_key;
      const question = { table, datum, about, query, defaultCheck };
      return then(
        firstFound(table, [datum]),
        (answer) => lookupVerdict(deps, question, answer),
      );
    }
    return resolved(query, whose, address, (resolution) => {
      const datum = resolution.recipient.toLowerCase();
      const { keys, whole } = mailKeys(datum, deps.lookup);
      const question = { table, datum, about, query, defaultCheck };
      const suspicious = whose === "recipient" && resolution.routed && !deps.settings.allow_untrusted_routing;
      const settle = (verdict: Verdict) => suspicious ? ignoringPermit(verdict) : verdict;
      return then(firstFound(table, keys, whole), (answer) => {
        if (answer.is !== "absent") return settle(lookupVerdict(deps, question, answer));
        return then(atDomain(deps, question), settle);
      });
    });
  };
}

/** The `@domain` key, which Postfix does not know: what it permits is no leave to relay (access_at_domain_keys). */
function atDomain(deps: RestrictionDeps, question: AccessQuestion): MaybeAsync<Verdict> {
  if (!deps.lookup.access_at_domain_keys || question.table.pattern) return DUNNO;
  const key = question.datum.slice(question.datum.lastIndexOf("@"));
  return then(
    firstFound(question.table, [key]),
    (answer) => withoutRelaying(lookupVerdict(deps, question, answer), "access_at_domain_keys"),
  );
}

/** reject_non_fqdn_sender, reject_non_fqdn_recipient: no dot in the domain, or no domain. */
export function rejectNonFqdnAddress(deps: RestrictionDeps, whose: Whose): Restriction {
  return ({ facts }) => {
    const address = facts[whose];
    if (address === undefined || (address === "" && whose === "sender")) return DUNNO;
    const { domain } = splitAddress(address);
    if (domain.startsWith("[") && domain.endsWith("]")) return DUNNO;
    const name = withoutFinalDot(domain);
    const valid = facts.smtputf8 === true ? isInternationalHostname(name) : isAsciiHostname(name);
    if (valid && name.includes(".")) return DUNNO;
    const text = rejectedText(addressSubject(whose, address), "need fully-qualified address");
    return reject(deps.settings.non_fqdn_reject_code, "4.5.2", text);
  };
}

/** reject_unknown_sender_domain, reject_unknown_recipient_domain: a remote domain that could get no mail. */
export function rejectUnknownDomain(deps: RestrictionDeps, whose: Whose): Restriction {
  return (query) => {
    const address = query.facts[whose];
    if (address === undefined || (address === "" && whose === "sender")) return DUNNO;
    return resolved(query, whose, address, (resolution) => {
      const { domain } = splitAddress(resolution.recipient.toLowerCase());
      if (isFinal(resolution) || domain.startsWith("[")) return DUNNO;
      return then(
        mailDomainExists(deps, domain),
        (exists) => exists === "yes" ? DUNNO : unknownDomain(deps, whose, address, domain, exists),
      );
    });
  };
}

function unknownDomain(
  deps: RestrictionDeps,
  whose: Whose,
  address: string,
  domain: string,
  exists: "no" | "later" | "null",
): Verdict {
  const about = addressSubject(whose, address);
  if (exists === "null") {
    const text = rejectedText(about, `Domain ${domain} does not accept mail (nullMX)`);
    return whose === "sender" ? reject(550, "4.7.27", text) : reject(556, "4.1.10", text);
  }
  const status = whose === "sender" ? "4.1.8" : "4.1.2";
  const text = rejectedText(about, "Domain not found");
  if (exists === "no") return reject(deps.settings.unknown_address_reject_code, status, text);
  return tempfail(deps.settings.unknown_address_tempfail_action, { code: 450, status, text });
}
