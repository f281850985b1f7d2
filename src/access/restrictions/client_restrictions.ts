import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Answer } from "../../table/table.ts";
import { firstFound } from "../table/access_table.ts";
import { addressKeys, domainKeys } from "../../table/search/host_keys.ts";
import { clientText } from "../reply/client_text.ts";
import { type AccessQuestion, lookupVerdict, withoutPermit } from "../table/lookup_verdict.ts";
import type { Facts } from "../policy.ts";
import type { DefaultCheck, Restriction, Subject, Verdict } from "../restriction.ts";
import { DUNNO, lookupFailure, reject } from "../verdict.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/** The client as the subject of a refusal. */
export function clientSubject(deps: RestrictionDeps, facts: Facts): Subject {
  return { name: clientText(facts.client, deps.settings.smtpd_client_port_logging), class: "Client host" };
}

/** A permit that the client's identity earned. */
export function permitClient(deps: RestrictionDeps, facts: Facts, action: string): Verdict {
  return { is: "permit", action, about: clientSubject(deps, facts) };
}

/** permit_mynetworks: the client's name or address is in mynetworks (postconf(5)). */
export function permitMynetworks(deps: RestrictionDeps, name: string): Restriction {
  const { mynetworks } = deps;
  if (mynetworks === undefined) return () => DUNNO;
  return ({ facts, about }) =>
    then(mynetworks.matches(facts.client.address, facts.client.name), (match) => {
      if (match.is === "trouble") return lookupFailure(about.name, match.why);
      return match.is === "yes" ? permitClient(deps, facts, name) : DUNNO;
    });
}

/** permit_inet_interfaces: the TCP peer is this machine, whatever XCLIENT says. */
export function permitInetInterfaces(deps: RestrictionDeps, name: string): Restriction {
  return ({ facts }) => deps.local.isOwnAddress(facts.peerAddress) ? permitClient(deps, facts, name) : DUNNO;
}

/** permit_sasl_authenticated: the client has logged in, and not anonymously. */
export function permitSaslAuthenticated(deps: RestrictionDeps, name: string): Restriction {
  return ({ facts }) => isAuthenticated(facts) ? permitClient(deps, facts, name) : DUNNO;
}

/** Whether the session is authenticated. */
export function isAuthenticated(facts: Facts): boolean {
  return facts.saslUsername !== undefined && facts.saslMethod?.toLowerCase() !== "anonymous";
}

/** reject_unknown_client_hostname: no PTR name, or one that does not lead back. */
export function rejectUnknownClient(deps: RestrictionDeps): Restriction {
  return ({ facts: { client } }) => {
    if (client.nameStatus === 2) return DUNNO;
    const code = client.nameStatus === 5 ? deps.settings.unknown_client_reject_code : 450;
    return reject(
      code,
      "4.7.25",
      `Client host rejected: cannot find your hostname, [${client.address}]`,
    );
  };
}

/** reject_unknown_reverse_client_hostname: no PTR name at all. */
export function rejectUnknownReverseClient(deps: RestrictionDeps): Restriction {
  return ({ facts: { client } }) => {
    if (client.reverseNameStatus === 2) return DUNNO;
    const code = client.reverseNameStatus === 5 ? deps.settings.unknown_client_reject_code : 450;
    return reject(
      code,
      "4.7.1",
      `Client host rejected: cannot find your reverse hostname, [${client.address}]`,
    );
  };
}

/** reject_plaintext_session: no TLS. */
export function rejectPlaintextSession(deps: RestrictionDeps): Restriction {
  const refusal = reject(deps.settings.plaintext_reject_code, "4.7.1", "Session encryption is required");
  return ({ facts }) => facts.tls === undefined ? refusal : DUNNO;
}

/** check_client_access: name and parents, then address and networks (access(5)). */
export function checkClientAccess(
  deps: RestrictionDeps,
  spec: string,
  defaultCheck: DefaultCheck | undefined,
): Restriction {
  const table = deps.openTables.table(spec);
  return (query) => {
    const { client } = query.facts;
    const question = { table, datum: "", about: clientSubject(deps, query.facts), query, defaultCheck };
    return nameOrAddress(deps, question, client.name, client.address);
  };
}

/** check_reverse_client_hostname_access: the same by the unverified name, which may not permit anything. */
export function checkReverseClientAccess(
  deps: RestrictionDeps,
  spec: string,
  defaultCheck: DefaultCheck | undefined,
  name: string,
): Restriction {
  const table = deps.openTables.table(spec);
  return (query) => {
    const { client } = query.facts;
    const about: Subject = { name: client.reverseName, class: "Unverified Client host" };
    const question = { table, datum: "", about, query, defaultCheck };
    const verdict = nameOrAddress(deps, question, client.reverseName, client.address);
    return then(verdict, (known) => withoutPermit(known, name, client.reverseName));
  };
}

function nameOrAddress(
  deps: RestrictionDeps,
  question: AccessQuestion,
  name: string,
  address: string,
): MaybeAsync<Verdict> {
  const { table } = question;
  const byName = firstFound(table, domainKeys(name, deps.lookup.parentMatches));
  return then(byName, (answer): MaybeAsync<Verdict> => {
    if (answer.is !== "absent") return lookupVerdict(deps, { ...question, datum: name }, answer);
    const byAddress: MaybeAsync<Answer> = firstFound(table, addressKeys(address));
    return then(byAddress, (late) => lookupVerdict(deps, { ...question, datum: address }, late));
  });
}
