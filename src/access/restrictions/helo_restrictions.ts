import { then } from "../../base/maybe_async.ts";
import { isHostAddress, literalAddress } from "../../address/host_address.ts";
import { isAsciiHostname, isInternationalHostname } from "../../address/hostname.ts";
import { firstFound } from "../table/access_table.ts";
import { domainKeys } from "../../table/search/host_keys.ts";
import { hostExists } from "./dns_checks.ts";
import { lookupVerdict } from "../table/lookup_verdict.ts";
import type { DefaultCheck, Query, Refusal, Restriction, Subject, Verdict } from "../restriction.ts";
import { DUNNO, reject, rejectedText } from "../verdict.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/** The HELO name as the subject of a refusal. */
export function heloSubject(name: string): Subject {
  return { name, class: "Helo command" };
}

/** One trailing dot is no part of a name; two stay, they are wrong. */
export function withoutFinalDot(name: string): string {
  return name.length > 1 && name.endsWith(".") && !name.endsWith("..") ? name.slice(0, -1) : name;
}

type HeloCheck = (helo: string, query: Query) => ReturnType<Restriction>;

/** A check of the HELO name, address literals apart: those only have to be addresses. */
function ofHelo(deps: RestrictionDeps, check: HeloCheck): Restriction {
  return (query) => {
    const { helo } = query.facts;
    if (helo === undefined) return DUNNO;
    return helo.startsWith("[") ? validLiteral(deps, helo) : check(helo, query);
  };
}

function validLiteral(deps: RestrictionDeps, helo: string): Verdict {
  const inner = helo.length > 2 && helo.endsWith("]") ? helo.slice(1, -1) : helo;
  if (literalAddress(inner) !== undefined) return DUNNO;
  const text = rejectedText(heloSubject(helo), "invalid ip address");
  return reject(deps.settings.invalid_hostname_reject_code, "5.5.2", text);
}

/** reject_invalid_helo_hostname: not even the form of a host name. */
export function rejectInvalidHelo(deps: RestrictionDeps): Restriction {
  return ofHelo(deps, (helo) => {
    const name = withoutFinalDot(helo);
    if (isAsciiHostname(name) || isHostAddress(name)) return DUNNO;
    const text = rejectedText(heloSubject(helo), "Invalid name");
    return reject(deps.settings.invalid_hostname_reject_code, "5.5.2", text);
  });
}

/** reject_non_fqdn_helo_hostname: no dot in it (RFC 5321 §4.1.1.1). */
export function rejectNonFqdnHelo(deps: RestrictionDeps): Restriction {
  return ofHelo(deps, (helo, { facts }) => {
    const name = withoutFinalDot(helo);
    const valid = facts.smtputf8 === true ? isInternationalHostname(name) : isAsciiHostname(name);
    if (valid && name.includes(".")) return DUNNO;
    const text = rejectedText(heloSubject(helo), "need fully-qualified hostname");
    return reject(deps.settings.non_fqdn_reject_code, "5.5.2", text);
  });
}

/** reject_unknown_helo_hostname: neither address nor MX record. */
export function rejectUnknownHelo(deps: RestrictionDeps): Restriction {
  return ofHelo(deps, (helo) =>
    then(hostExists(deps, helo), (exists): Verdict => {
      if (exists === "yes") return DUNNO;
      const text = rejectedText(heloSubject(helo), "Host not found");
      if (exists === "no") return reject(deps.settings.unknown_hostname_reject_code, "4.7.1", text);
      return tempfail(deps.settings.unknown_helo_hostname_tempfail_action, {
        code: 450,
        status: "4.7.1",
        text,
      });
    }));
}

/** What a failed lookup leads to: a deferral at once, or only where the mail would be accepted otherwise. */
export function tempfail(action: string, refusal: Refusal): Verdict {
  return { is: action === "defer" ? "reject" : "defer_if_permit", refusal };
}

/** permit_naked_ip_address (obsolete): HELO with a bare address. */
export function permitNakedIpAddress(deps: RestrictionDeps, name: string): Restriction {
  return ({ facts }) => {
    const { helo } = facts;
    if (helo === undefined || !/^[0-9.:]*$/.test(helo)) return DUNNO;
    const verdict = validLiteral(deps, helo);
    return verdict.is === "dunno" ? { is: "permit", action: name, about: heloSubject(helo) } : verdict;
  };
}

/** check_helo_access: the name and its parents (access(5)). */
export function checkHeloAccess(
  deps: RestrictionDeps,
  spec: string,
  defaultCheck: DefaultCheck | undefined,
): Restriction {
  return checkDomainAccess(deps, spec, defaultCheck, "Helo command", (query) => query.facts.helo);
}

/** check_etrn_access: the domain of ETRN and its parents. */
export function checkEtrnAccess(
  deps: RestrictionDeps,
  spec: string,
  defaultCheck: DefaultCheck | undefined,
): Restriction {
  return checkDomainAccess(deps, spec, defaultCheck, "Etrn command", (query) => query.facts.etrnDomain);
}

function checkDomainAccess(
  deps: RestrictionDeps,
  spec: string,
  defaultCheck: DefaultCheck | undefined,
  kind: Subject["class"],
  nameOf: (query: Query) => string | undefined,
): Restriction {
  const table = deps.openTables.table(spec);
  return (query) => {
    const name = nameOf(query);
    if (name === undefined) return DUNNO;
    const question = { table, datum: name, about: { name, class: kind }, query, defaultCheck };
    return then(
      firstFound(table, domainKeys(name, deps.lookup.parentMatches)),
      (answer) => lookupVerdict(deps, question, answer),
    );
  };
}
