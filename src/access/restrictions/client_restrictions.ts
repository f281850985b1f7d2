import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Answer } from "../../table/table.ts";
import { addressKeys, domainKeys, firstFound } from "../table/access_table.ts";
import { clientText } from "../reply/client_text.ts";
import { type AccessQuestion, lookupVerdict, withoutPermit } from "../table/lookup_verdict.ts";
import type { Facts } from "../policy.ts";
import type { DefaultCheck, Restriction } from "../restriction.ts";
import { DUNNO, lookupFailure, reject, type Subject, type Verdict } from "../verdict.ts";
import type { Workshop } from "../restriction_deps.ts";

/** The client as the subject of a refusal. */
export function clientSubject(shop: Workshop, facts: Facts): Subject {
  return { name: clientText(facts.client, shop.settings.smtpd_client_port_logging), class: "Client host" };
}

/** A permit that the client's identity earned. */
export function permitClient(shop: Workshop, facts: Facts, action: string): Verdict {
  return { is: "permit", action, about: clientSubject(shop, facts) };
}

/** permit_mynetworks: the client's name or address is in mynetworks (postconf(5)). */
export function permitMynetworks(shop: Workshop, name: string): Restriction {
  const { mynetworks } = shop;
  if (mynetworks === undefined) return () => DUNNO;
  return ({ facts, about }) =>
    then(mynetworks.matches(facts.client.address, facts.client.name), (match) => {
      if (match.is === "trouble") return lookupFailure(about.name, match.why);
      return match.is === "yes" ? permitClient(shop, facts, name) : DUNNO;
    });
}

/** permit_inet_interfaces: the TCP peer is this machine, whatever XCLIENT says. */
export function permitInetInterfaces(shop: Workshop, name: string): Restriction {
  return ({ facts }) => shop.local.isOwnAddress(facts.peerAddress) ? permitClient(shop, facts, name) : DUNNO;
}

/** permit_sasl_authenticated: the client has logged in, and not anonymously. */
export function permitSaslAuthenticated(shop: Workshop, name: string): Restriction {
  return ({ facts }) => isAuthenticated(facts) ? permitClient(shop, facts, name) : DUNNO;
}

/** Whether the session is authenticated. */
export function isAuthenticated(facts: Facts): boolean {
  return facts.saslUsername !== undefined && facts.saslMethod?.toLowerCase() !== "anonymous";
}

/** reject_unknown_client_hostname: no PTR name, or one that does not lead back. */
export function rejectUnknownClient(shop: Workshop): Restriction {
  return ({ facts: { client } }) => {
    if (client.nameStatus === 2) return DUNNO;
    const code = client.nameStatus === 5 ? shop.settings.unknown_client_reject_code : 450;
    return reject(
      code,
      "4.7.25",
      `Client host rejected: cannot find your hostname, [${client.address}]`,
    );
  };
}

/** reject_unknown_reverse_client_hostname: no PTR name at all. */
export function rejectUnknownReverseClient(shop: Workshop): Restriction {
  return ({ facts: { client } }) => {
    if (client.reverseNameStatus === 2) return DUNNO;
    const code = client.reverseNameStatus === 5 ? shop.settings.unknown_client_reject_code : 450;
    return reject(
      code,
      "4.7.1",
      `Client host rejected: cannot find your reverse hostname, [${client.address}]`,
    );
  };
}

/** reject_plaintext_session: no TLS. */
export function rejectPlaintextSession(shop: Workshop): Restriction {
  const refusal = reject(shop.settings.plaintext_reject_code, "4.7.1", "Session encryption is required");
  return ({ facts }) => facts.tls === undefined ? refusal : DUNNO;
}

/** check_client_access: name and parents, then address and networks (access(5)). */
export function checkClientAccess(
  shop: Workshop,
  spec: string,
  defaultCheck: DefaultCheck | undefined,
): Restriction {
  const table = shop.shelf.table(spec);
  return (query) => {
    const { client } = query.facts;
    const question = { table, datum: "", about: clientSubject(shop, query.facts), query, defaultCheck };
    return nameOrAddress(shop, question, client.name, client.address);
  };
}

/** check_reverse_client_hostname_access: the same by the unverified name, which may not permit anything. */
export function checkReverseClientAccess(
  shop: Workshop,
  spec: string,
  defaultCheck: DefaultCheck | undefined,
  name: string,
): Restriction {
  const table = shop.shelf.table(spec);
  return (query) => {
    const { client } = query.facts;
    const about: Subject = { name: client.reverseName, class: "Unverified Client host" };
    const question = { table, datum: "", about, query, defaultCheck };
    const verdict = nameOrAddress(shop, question, client.reverseName, client.address);
    return then(verdict, (known) => withoutPermit(known, name, client.reverseName));
  };
}

function nameOrAddress(
  shop: Workshop,
  question: AccessQuestion,
  name: string,
  address: string,
): MaybeAsync<Verdict> {
  const { table } = question;
  const byName = firstFound(table, domainKeys(name, shop.lookup.parentMatches));
  return then(byName, (answer): MaybeAsync<Verdict> => {
    if (answer.is !== "absent") return lookupVerdict(shop, { ...question, datum: name }, answer);
    const byAddress: MaybeAsync<Answer> = firstFound(table, addressKeys(address));
    return then(byAddress, (late) => lookupVerdict(shop, { ...question, datum: address }, late));
  });
}
