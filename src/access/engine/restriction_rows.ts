import {
  addressSubject,
  checkAddressAccess,
  rejectNonFqdnAddress,
  rejectUnknownDomain,
  type Whose,
} from "../restrictions/address_restrictions.ts";
import { checkCcertAccess, permitTlsClientcerts } from "../restrictions/certificate_restrictions.ts";
import {
  checkClientAccess,
  checkReverseClientAccess,
  clientSubject,
  permitClient,
  permitInetInterfaces,
  permitMynetworks,
  permitSaslAuthenticated,
  rejectPlaintextSession,
  rejectUnknownClient,
  rejectUnknownReverseClient,
} from "../restrictions/client_restrictions.ts";
import {
  checkRelayDomains,
  permitAuthDestination,
  refuseUnauthDestination,
} from "../restrictions/destination_restrictions.ts";
import {
  addressLabels,
  domainLabels,
  type Listed,
  permitListed,
  rejectListed,
} from "../restrictions/dnsbl.ts";
import {
  deferIf,
  rejectAll,
  rejectMultiRecipientBounce,
  rejectUnauthPipelining,
  sleepFor,
} from "../restrictions/generic_restrictions.ts";
import {
  checkEtrnAccess,
  checkHeloAccess,
  heloSubject,
  permitNakedIpAddress,
  rejectInvalidHelo,
  rejectNonFqdnHelo,
  rejectUnknownHelo,
} from "../restrictions/helo_restrictions.ts";
import { checkSaslAccess, rejectLoginMismatch } from "../restrictions/login_restrictions.ts";
import { permitMxBackup } from "../restrictions/mx_backup.ts";
import { checkPolicyService } from "../restrictions/policy_service.ts";
import { rejectMapsRbl } from "../restrictions/maps_rbl.ts";
import type { DefaultCheck, Restriction } from "../restriction.ts";
import { checkServerAccess, type ServerTarget } from "../restrictions/server_access.ts";
import { rejectUnverified } from "../restrictions/verify_restrictions.ts";
import {
  asks,
  asksCertificate,
  CLOSES,
  CLOSES_BUT_FOR_CLIENTS,
  CLOSES_RELAY,
  DEFERS,
  DESTINATION,
  dnsList,
  mxBackup,
  NEVER,
  ownCertificate,
  type Passage,
  trustedCertificate,
} from "../relay_effect.ts";
import type { Workshop } from "../restriction_deps.ts";

/** A restriction by name. */
export interface RestrictionRow {
  /** What must follow the name. */
  readonly argument?: "table" | "domain" | "server" | "seconds";
  /** Ends the list: whatever stands behind it is dead. */
  readonly final?: true;
  /** Has a successor; evaluated all the same. */
  readonly obsolete?: string;
  /** What it can do for a stranger who wants to relay: the proof against open relay reads it. */
  readonly stranger: Passage | ((own: Item, shop: Workshop) => Passage);
  readonly build: (shop: Workshop, own: Item) => Restriction;
}

/** The item of a list that a restriction is built for. */
export interface Item {
  /** As written. */
  readonly name: string;
  /** "" for rows without one. */
  readonly argument: string;
  readonly defaultCheck: DefaultCheck | undefined;
}

const client: Listed = {
  what: ({ facts }) => facts.client.address,
  about: (_query, what) => ({ name: what, class: "Client host" }),
  labels: addressLabels,
};
const clientName: Listed = {
  what: ({ facts }) => known(facts.client.name),
  about: (_query, what) => ({ name: what, class: "Client host" }),
  labels: domainLabels,
};
const reverseName: Listed = {
  what: ({ facts }) => known(facts.client.reverseName),
  about: (_query, what) => ({ name: what, class: "Unverified Client host" }),
  labels: domainLabels,
};
const helo: Listed = {
  what: ({ facts }) => facts.helo,
  about: (_query, what) => heloSubject(what),
  labels: domainLabels,
};
const address = (whose: Whose): Listed => ({
  what: ({ facts }) => facts[whose] === "" ? undefined : facts[whose],
  about: (_query, what) => addressSubject(whose, what),
  labels: domainLabels,
});

function known(name: string): string | undefined {
  return name.toLowerCase() === "unknown" ? undefined : name;
}

function serverRows(
  prefix: string,
  targetOf: (shop: Workshop) => ServerTarget,
): Record<string, RestrictionRow> {
  const row = (type: "A" | "MX" | "NS"): RestrictionRow => ({
    argument: "table",
    stranger: NEVER,
    build: (shop, own) =>
      checkServerAccess(shop, type, own.argument, targetOf(shop), own.defaultCheck, own.name),
  });
  return {
    [`check_${prefix}_a_access`]: row("A"),
    [`check_${prefix}_mx_access`]: row("MX"),
    [`check_${prefix}_ns_access`]: row("NS"),
  };
}

const addressTarget = (whose: Whose) => (): ServerTarget => ({
  nameOf: ({ facts }) => facts[whose],
  about: (_query, name) => addressSubject(whose, name),
});

const rejectUnknownAddress: RestrictionRow = {
  stranger: NEVER,
  build: (shop) => rejectUnknownDomain(shop, "sender"),
};
const unknownClient: RestrictionRow = { stranger: NEVER, build: rejectUnknownClient };
const invalidHelo: RestrictionRow = { stranger: NEVER, build: rejectInvalidHelo };
const nonFqdnHelo: RestrictionRow = { stranger: NEVER, build: rejectNonFqdnHelo };
const unknownHelo: RestrictionRow = { stranger: NEVER, build: rejectUnknownHelo };
const unlistedRecipient: RestrictionRow = {
  stranger: NEVER,
  build: () => () => ({ is: "unlisted", whose: "recipient" }),
};
const rblClient: RestrictionRow = {
  argument: "domain",
  stranger: NEVER,
  build: (shop, own) => rejectListed(shop, own.argument, client),
};
const rhsbl = (listed: Listed): RestrictionRow => ({
  argument: "domain",
  stranger: NEVER,
  build: (shop, own) => rejectListed(shop, own.argument, listed),
});

/** What reject_sender_login_mismatch is made of. */
const BOTH_MISMATCHES = [
  "reject_authenticated_sender_login_mismatch",
  "reject_unauthenticated_sender_login_mismatch",
];

/** Every restriction of postconf(5), older names beside the newer; what is not here is a class or a mistake. */
const ROWS: Readonly<Record<string, RestrictionRow>> = {
  permit: {
    final: true,
    stranger: { is: "permits" },
    build: (_shop, { name }) => ({ about }) => ({ is: "permit", action: name, about }),
  },
  reject: {
    final: true,
    stranger: CLOSES,
    build: (shop) => rejectAll(shop.settings.reject_code, "5.7.1", "Access denied"),
  },
  defer: {
    final: true,
    stranger: CLOSES,
    build: (shop) => rejectAll(shop.settings.defer_code, "4.3.2", "Try again later"),
  },
  defer_if_permit: { stranger: DEFERS, build: () => deferIf("defer_if_permit") },
  defer_if_reject: { stranger: NEVER, build: () => deferIf("defer_if_reject") },
  sleep: { argument: "seconds", stranger: NEVER, build: (_shop, own) => sleepFor(Number(own.argument)) },
  reject_unauth_pipelining: { stranger: NEVER, build: () => rejectUnauthPipelining },
  reject_plaintext_session: { stranger: NEVER, build: rejectPlaintextSession },
  check_policy_service: {
    argument: "server",
    stranger: ({ argument }) => ({ is: "unknown", why: `the policy server ${argument} may permit` }),
    build: (shop, own) => checkPolicyService(shop, own.argument, own.defaultCheck),
  },

  permit_mynetworks: { stranger: { is: "networks" }, build: (shop, own) => permitMynetworks(shop, own.name) },
  permit_inet_interfaces: { stranger: NEVER, build: (shop, own) => permitInetInterfaces(shop, own.name) },
  permit_sasl_authenticated: {
    stranger: NEVER,
    build: (shop, own) => permitSaslAuthenticated(shop, own.name),
  },
  permit_tls_clientcerts: {
    stranger: ownCertificate,
    build: (shop, own) => permitTlsClientcerts(shop, own.name, false),
  },
  permit_tls_all_clientcerts: {
    stranger: trustedCertificate,
    build: (shop, own) => permitTlsClientcerts(shop, own.name, true),
  },
  reject_unknown_client_hostname: unknownClient,
  reject_unknown_client: unknownClient,
  reject_unknown_reverse_client_hostname: { stranger: NEVER, build: rejectUnknownReverseClient },
  check_client_access: {
    argument: "table",
    stranger: asks("client"),
    build: (shop, own) => checkClientAccess(shop, own.argument, own.defaultCheck),
  },
  check_reverse_client_hostname_access: {
    argument: "table",
    stranger: NEVER,
    build: (shop, own) => checkReverseClientAccess(shop, own.argument, own.defaultCheck, own.name),
  },
  check_ccert_access: {
    argument: "table",
    stranger: asksCertificate,
    build: (shop, own) => checkCcertAccess(shop, own.argument, own.defaultCheck, own.name),
  },
  check_sasl_access: {
    argument: "table",
    stranger: NEVER,
    build: (shop, own) => checkSaslAccess(shop, own.argument, own.defaultCheck, own.name),
  },
  ...serverRows("client", (shop) => ({
    nameOf: ({ facts }) => known(facts.client.name),
    about: ({ facts }) => clientSubject(shop, facts),
  })),
  ...serverRows("reverse_client_hostname", () => ({
    nameOf: ({ facts }) => known(facts.client.reverseName),
    about: (_query, name) => ({ name, class: "Unverified Client host" }),
  })),
  reject_rbl_client: rblClient,
  reject_rbl: rblClient,
  reject_maps_rbl: { obsolete: "reject_rbl_client", stranger: NEVER, build: rejectMapsRbl },
  reject_rhsbl_client: rhsbl(clientName),
  reject_rhsbl_reverse_client: rhsbl(reverseName),
  permit_dnswl_client: {
    argument: "domain",
    stranger: dnsList,
    build: (shop, own) =>
      permitListed(shop, own.argument, client, ({ facts }) => permitClient(shop, facts, own.name)),
  },
  permit_rhswl_client: {
    argument: "domain",
    stranger: dnsList,
    build: (shop, own) =>
      permitListed(shop, own.argument, clientName, ({ facts }) => permitClient(shop, facts, own.name)),
  },

  check_helo_access: {
    argument: "table",
    stranger: asks("helo"),
    build: (shop, own) => checkHeloAccess(shop, own.argument, own.defaultCheck),
  },
  reject_invalid_helo_hostname: invalidHelo,
  reject_invalid_hostname: invalidHelo,
  reject_non_fqdn_helo_hostname: nonFqdnHelo,
  reject_non_fqdn_hostname: nonFqdnHelo,
  reject_unknown_helo_hostname: unknownHelo,
  reject_unknown_hostname: unknownHelo,
  permit_naked_ip_address: {
    obsolete: "permit_mynetworks",
    stranger: { is: "session", want: { helo: "198.51.100.77" }, text: "HELO with an IP address" },
    build: (shop, own) => permitNakedIpAddress(shop, own.name),
  },
  ...serverRows("helo", () => ({
    nameOf: ({ facts }) => facts.helo,
    about: (_query, name) => heloSubject(name),
  })),
  reject_rhsbl_helo: rhsbl(helo),

  check_sender_access: {
    argument: "table",
    stranger: asks("sender"),
    build: (shop, own) => checkAddressAccess(shop, "sender", own.argument, own.defaultCheck),
  },
  reject_unknown_sender_domain: rejectUnknownAddress,
  reject_unknown_address: rejectUnknownAddress,
  reject_non_fqdn_sender: { stranger: NEVER, build: (shop) => rejectNonFqdnAddress(shop, "sender") },
  reject_unlisted_sender: { stranger: NEVER, build: () => () => ({ is: "unlisted", whose: "sender" }) },
  reject_unverified_sender: { stranger: NEVER, build: (shop) => rejectUnverified(shop, "sender") },
  reject_sender_login_mismatch: {
    stranger: NEVER,
    build: (shop) =>
      rejectLoginMismatch(shop, BOTH_MISMATCHES, {
        loggedIn: true,
        loggedOut: true,
        unknownSender: "refused",
      }),
  },
  reject_authenticated_sender_login_mismatch: {
    stranger: NEVER,
    build: (shop, own) =>
      rejectLoginMismatch(shop, [own.name], { loggedIn: true, loggedOut: false, unknownSender: "refused" }),
  },
  reject_known_sender_login_mismatch: {
    stranger: NEVER,
    build: (shop, own) =>
      rejectLoginMismatch(shop, [own.name], { loggedIn: true, loggedOut: true, unknownSender: "allowed" }),
  },
  reject_unauthenticated_sender_login_mismatch: {
    stranger: NEVER,
    build: (shop, own) =>
      rejectLoginMismatch(shop, [own.name], { loggedIn: false, loggedOut: true, unknownSender: "refused" }),
  },
  ...serverRows("sender", addressTarget("sender")),
  reject_rhsbl_sender: rhsbl(address("sender")),

  check_recipient_access: {
    argument: "table",
    stranger: asks("recipient"),
    build: (shop, own) => checkAddressAccess(shop, "recipient", own.argument, own.defaultCheck),
  },
  permit_auth_destination: {
    stranger: DESTINATION,
    build: (shop, own) => permitAuthDestination(shop, own.name),
  },
  permit_mx_backup: { stranger: mxBackup, build: (shop, own) => permitMxBackup(shop, own.name) },
  reject_unauth_destination: {
    stranger: CLOSES_RELAY,
    build: (shop) => refuseUnauthDestination(shop, "reject"),
  },
  defer_unauth_destination: {
    stranger: CLOSES_RELAY,
    build: (shop) => refuseUnauthDestination(shop, "defer"),
  },
  check_relay_domains: {
    final: true,
    obsolete: "reject_unauth_destination",
    stranger: CLOSES_BUT_FOR_CLIENTS,
    build: (shop, own) => checkRelayDomains(shop, own.name),
  },
  reject_unknown_recipient_domain: {
    stranger: NEVER,
    build: (shop) => rejectUnknownDomain(shop, "recipient"),
  },
  reject_non_fqdn_recipient: { stranger: NEVER, build: (shop) => rejectNonFqdnAddress(shop, "recipient") },
  reject_unlisted_recipient: unlistedRecipient,
  check_recipient_maps: unlistedRecipient,
  reject_unverified_recipient: { stranger: NEVER, build: (shop) => rejectUnverified(shop, "recipient") },
  reject_multi_recipient_bounce: { stranger: NEVER, build: rejectMultiRecipientBounce },
  ...serverRows("recipient", addressTarget("recipient")),
  reject_rhsbl_recipient: rhsbl(address("recipient")),

  check_etrn_access: {
    argument: "table",
    stranger: NEVER,
    build: (shop, own) => checkEtrnAccess(shop, own.argument, own.defaultCheck),
  },
};

/** A restriction's row by its name, in any case. */
export function restrictionRow(name: string): RestrictionRow | undefined {
  const folded = name.toLowerCase();
  return Object.hasOwn(ROWS, folded) ? ROWS[folded] : undefined;
}

/** All restriction names that are understood. */
export function restrictionNames(): readonly string[] {
  return Object.keys(ROWS);
}
