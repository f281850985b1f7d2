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
  checkDkim,
  checkDkimAccess,
  checkDmarc,
  checkDmarcAccess,
} from "../restrictions/content_restrictions.ts";
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
import type { DefaultCheck, RelayEffect, Restriction } from "../restriction.ts";
import { checkServerAccess, type ServerTarget } from "../restrictions/server_access.ts";
import { checkSpfAccess, checkSpfResult } from "../restrictions/spf_restrictions.ts";
import { rejectUnverified } from "../restrictions/verify_restrictions.ts";
import {
  asks,
  asksCertificate,
  asksLogin,
  CLOSES,
  CLOSES_BUT_FOR_CLIENTS,
  CLOSES_RELAY,
  DEFERS,
  DESTINATION,
  dnsList,
  mxBackup,
  NEVER,
  ownCertificate,
  ownLogin,
  trustedCertificate,
} from "../relay_effect.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/** A restriction by name. */
export interface RestrictionRow {
  /** What must follow the name. */
  readonly argument?: "table" | "domain" | "server" | "seconds";
  /** Judges content: in smtpd_end_of_data_restrictions only, and where content is checked (mail_authentication). */
  readonly ofContent?: true;
  /** Ends the list: whatever stands behind it is dead. */
  readonly final?: true;
  /** Has a successor; evaluated all the same. */
  readonly obsolete?: string;
  /** What it can do for an outside client that wants to relay: the proof against open relay reads it. */
  readonly relayEffect: RelayEffect | ((own: Item, restrictionDeps: RestrictionDeps) => RelayEffect);
  readonly build: (restrictionDeps: RestrictionDeps, own: Item) => Restriction;
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
  targetOf: (restrictionDeps: RestrictionDeps) => ServerTarget,
): Record<string, RestrictionRow> {
  const row = (type: "A" | "MX" | "NS"): RestrictionRow => ({
    argument: "table",
    relayEffect: NEVER,
    build: (restrictionDeps, own) =>
      checkServerAccess(
        restrictionDeps,
        type,
        own.argument,
        targetOf(restrictionDeps),
        own.defaultCheck,
        own.name,
      ),
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
  relayEffect: NEVER,
  build: (restrictionDeps) => rejectUnknownDomain(restrictionDeps, "sender"),
};
const unknownClient: RestrictionRow = { relayEffect: NEVER, build: rejectUnknownClient };
const invalidHelo: RestrictionRow = { relayEffect: NEVER, build: rejectInvalidHelo };
const nonFqdnHelo: RestrictionRow = { relayEffect: NEVER, build: rejectNonFqdnHelo };
const unknownHelo: RestrictionRow = { relayEffect: NEVER, build: rejectUnknownHelo };
const unlistedRecipient: RestrictionRow = {
  relayEffect: NEVER,
  build: () => () => ({ is: "unlisted", whose: "recipient" }),
};
const rblClient: RestrictionRow = {
  argument: "domain",
  relayEffect: NEVER,
  build: (restrictionDeps, own) => rejectListed(restrictionDeps, own.argument, client),
};
const rhsbl = (listed: Listed): RestrictionRow => ({
  argument: "domain",
  relayEffect: NEVER,
  build: (restrictionDeps, own) => rejectListed(restrictionDeps, own.argument, listed),
});

/** What reject_sender_login_mismatch is made of. */
const BOTH_MISMATCHES = [
  "reject_authenticated_sender_login_mismatch",
  "reject_unauthenticated_sender_login_mismatch",
];

/** Every restriction of postconf(5), older names beside the newer, and ours; what is not here is a class or a mistake. */
const ROWS: Readonly<Record<string, RestrictionRow>> = {
  permit: {
    final: true,
    relayEffect: { is: "permits" },
    build: (_deps, { name }) => ({ about }) => ({ is: "permit", action: name, about }),
  },
  reject: {
    final: true,
    relayEffect: CLOSES,
    build: (restrictionDeps) => rejectAll(restrictionDeps.settings.reject_code, "5.7.1", "Access denied"),
  },
  defer: {
    final: true,
    relayEffect: CLOSES,
    build: (restrictionDeps) => rejectAll(restrictionDeps.settings.defer_code, "4.3.2", "Try again later"),
  },
  defer_if_permit: { relayEffect: DEFERS, build: () => deferIf("defer_if_permit") },
  defer_if_reject: { relayEffect: NEVER, build: () => deferIf("defer_if_reject") },
  sleep: { argument: "seconds", relayEffect: NEVER, build: (_deps, own) => sleepFor(Number(own.argument)) },
  reject_unauth_pipelining: { relayEffect: NEVER, build: () => rejectUnauthPipelining },
  reject_plaintext_session: { relayEffect: NEVER, build: rejectPlaintextSession },
  check_policy_service: {
    argument: "server",
    relayEffect: ({ argument }) => ({ is: "unknown", why: `the policy server ${argument} may permit` }),
    build: (restrictionDeps, own) => checkPolicyService(restrictionDeps, own.argument, own.defaultCheck),
  },

  permit_mynetworks: {
    relayEffect: { is: "networks" },
    build: (restrictionDeps, own) => permitMynetworks(restrictionDeps, own.name),
  },
  permit_inet_interfaces: {
    relayEffect: NEVER,
    build: (restrictionDeps, own) => permitInetInterfaces(restrictionDeps, own.name),
  },
  permit_sasl_authenticated: {
    relayEffect: ownLogin,
    build: (restrictionDeps, own) => permitSaslAuthenticated(restrictionDeps, own.name),
  },
  permit_tls_clientcerts: {
    relayEffect: ownCertificate,
    build: (restrictionDeps, own) => permitTlsClientcerts(restrictionDeps, own.name, false),
  },
  permit_tls_all_clientcerts: {
    relayEffect: trustedCertificate,
    build: (restrictionDeps, own) => permitTlsClientcerts(restrictionDeps, own.name, true),
  },
  reject_unknown_client_hostname: unknownClient,
  reject_unknown_client: unknownClient,
  reject_unknown_reverse_client_hostname: { relayEffect: NEVER, build: rejectUnknownReverseClient },
  check_client_access: {
    argument: "table",
    relayEffect: asks("client"),
    build: (restrictionDeps, own) => checkClientAccess(restrictionDeps, own.argument, own.defaultCheck),
  },
  check_reverse_client_hostname_access: {
    argument: "table",
    relayEffect: NEVER,
    build: (restrictionDeps, own) =>
      checkReverseClientAccess(restrictionDeps, own.argument, own.defaultCheck, own.name),
  },
  check_ccert_access: {
    argument: "table",
    relayEffect: asksCertificate,
    build: (restrictionDeps, own) =>
      checkCcertAccess(restrictionDeps, own.argument, own.defaultCheck, own.name),
  },
  check_sasl_access: {
    argument: "table",
    relayEffect: asksLogin,
    build: (restrictionDeps, own) =>
      checkSaslAccess(restrictionDeps, own.argument, own.defaultCheck, own.name),
  },
  ...serverRows("client", (restrictionDeps) => ({
    nameOf: ({ facts }) => known(facts.client.name),
    about: ({ facts }) => clientSubject(restrictionDeps, facts),
  })),
  ...serverRows("reverse_client_hostname", () => ({
    nameOf: ({ facts }) => known(facts.client.reverseName),
    about: (_query, name) => ({ name, class: "Unverified Client host" }),
  })),
  reject_rbl_client: rblClient,
  reject_rbl: rblClient,
  reject_maps_rbl: { obsolete: "reject_rbl_client", relayEffect: NEVER, build: rejectMapsRbl },
  reject_rhsbl_client: rhsbl(clientName),
  reject_rhsbl_reverse_client: rhsbl(reverseName),
  permit_dnswl_client: {
    argument: "domain",
    relayEffect: dnsList,
    build: (restrictionDeps, own) =>
      permitListed(
        restrictionDeps,
        own.argument,
        client,
        ({ facts }) => permitClient(restrictionDeps, facts, own.name),
      ),
  },
  permit_rhswl_client: {
    argument: "domain",
    relayEffect: dnsList,
    build: (restrictionDeps, own) =>
      permitListed(
        restrictionDeps,
        own.argument,
        clientName,
        ({ facts }) => permitClient(restrictionDeps, facts, own.name),
      ),
  },

  check_helo_access: {
    argument: "table",
    relayEffect: asks("helo"),
    build: (restrictionDeps, own) => checkHeloAccess(restrictionDeps, own.argument, own.defaultCheck),
  },
  reject_invalid_helo_hostname: invalidHelo,
  reject_invalid_hostname: invalidHelo,
  reject_non_fqdn_helo_hostname: nonFqdnHelo,
  reject_non_fqdn_hostname: nonFqdnHelo,
  reject_unknown_helo_hostname: unknownHelo,
  reject_unknown_hostname: unknownHelo,
  permit_naked_ip_address: {
    obsolete: "permit_mynetworks",
    relayEffect: { is: "session", want: { helo: "198.51.100.77" }, text: "HELO with an IP address" },
    build: (restrictionDeps, own) => permitNakedIpAddress(restrictionDeps, own.name),
  },
  ...serverRows("helo", () => ({
    nameOf: ({ facts }) => facts.helo,
    about: (_query, name) => heloSubject(name),
  })),
  reject_rhsbl_helo: rhsbl(helo),

  check_sender_access: {
    argument: "table",
    relayEffect: asks("sender"),
    build: (restrictionDeps, own) =>
      checkAddressAccess(restrictionDeps, "sender", own.argument, own.defaultCheck),
  },
  reject_unknown_sender_domain: rejectUnknownAddress,
  reject_unknown_address: rejectUnknownAddress,
  reject_non_fqdn_sender: {
    relayEffect: NEVER,
    build: (restrictionDeps) => rejectNonFqdnAddress(restrictionDeps, "sender"),
  },
  reject_unlisted_sender: { relayEffect: NEVER, build: () => () => ({ is: "unlisted", whose: "sender" }) },
  reject_unverified_sender: {
    relayEffect: NEVER,
    build: (restrictionDeps) => rejectUnverified(restrictionDeps, "sender"),
  },
  reject_sender_login_mismatch: {
    relayEffect: NEVER,
    build: (restrictionDeps) =>
      rejectLoginMismatch(restrictionDeps, BOTH_MISMATCHES, {
        loggedIn: true,
        loggedOut: true,
        unknownSender: "refused",
      }),
  },
  reject_authenticated_sender_login_mismatch: {
    relayEffect: NEVER,
    build: (restrictionDeps, own) =>
      rejectLoginMismatch(restrictionDeps, [own.name], {
        loggedIn: true,
        loggedOut: false,
        unknownSender: "refused",
      }),
  },
  reject_known_sender_login_mismatch: {
    relayEffect: NEVER,
    build: (restrictionDeps, own) =>
      rejectLoginMismatch(restrictionDeps, [own.name], {
        loggedIn: true,
        loggedOut: true,
        unknownSender: "allowed",
      }),
  },
  reject_unauthenticated_sender_login_mismatch: {
    relayEffect: NEVER,
    build: (restrictionDeps, own) =>
      rejectLoginMismatch(restrictionDeps, [own.name], {
        loggedIn: false,
        loggedOut: true,
        unknownSender: "refused",
      }),
  },
  check_spf: { relayEffect: NEVER, build: () => checkSpfResult },
  check_spf_access: {
    argument: "table",
    relayEffect: asks("spf"),
    build: (restrictionDeps, own) => checkSpfAccess(restrictionDeps, own.argument, own.defaultCheck),
  },
  ...serverRows("sender", addressTarget("sender")),
  reject_rhsbl_sender: rhsbl(address("sender")),

  check_recipient_access: {
    argument: "table",
    relayEffect: asks("recipient"),
    build: (restrictionDeps, own) =>
      checkAddressAccess(restrictionDeps, "recipient", own.argument, own.defaultCheck),
  },
  permit_auth_destination: {
    relayEffect: DESTINATION,
    build: (restrictionDeps, own) => permitAuthDestination(restrictionDeps, own.name),
  },
  permit_mx_backup: {
    relayEffect: mxBackup,
    build: (restrictionDeps, own) => permitMxBackup(restrictionDeps, own.name),
  },
  reject_unauth_destination: {
    relayEffect: CLOSES_RELAY,
    build: (restrictionDeps) => refuseUnauthDestination(restrictionDeps, "reject"),
  },
  defer_unauth_destination: {
    relayEffect: CLOSES_RELAY,
    build: (restrictionDeps) => refuseUnauthDestination(restrictionDeps, "defer"),
  },
  check_relay_domains: {
    final: true,
    obsolete: "reject_unauth_destination",
    relayEffect: CLOSES_BUT_FOR_CLIENTS,
    build: (restrictionDeps, own) => checkRelayDomains(restrictionDeps, own.name),
  },
  reject_unknown_recipient_domain: {
    relayEffect: NEVER,
    build: (restrictionDeps) => rejectUnknownDomain(restrictionDeps, "recipient"),
  },
  reject_non_fqdn_recipient: {
    relayEffect: NEVER,
    build: (restrictionDeps) => rejectNonFqdnAddress(restrictionDeps, "recipient"),
  },
  reject_unlisted_recipient: unlistedRecipient,
  check_recipient_maps: unlistedRecipient,
  reject_unverified_recipient: {
    relayEffect: NEVER,
    build: (restrictionDeps) => rejectUnverified(restrictionDeps, "recipient"),
  },
  reject_multi_recipient_bounce: { relayEffect: NEVER, build: rejectMultiRecipientBounce },
  ...serverRows("recipient", addressTarget("recipient")),
  reject_rhsbl_recipient: rhsbl(address("recipient")),

  check_dkim: { ofContent: true, relayEffect: NEVER, build: checkDkim },
  check_dkim_access: {
    argument: "table",
    ofContent: true,
    relayEffect: NEVER,
    build: (restrictionDeps, own) => checkDkimAccess(restrictionDeps, own.argument, own.defaultCheck),
  },
  check_dmarc: { ofContent: true, relayEffect: NEVER, build: checkDmarc },
  check_dmarc_access: {
    argument: "table",
    ofContent: true,
    relayEffect: NEVER,
    build: (restrictionDeps, own) => checkDmarcAccess(restrictionDeps, own.argument, own.defaultCheck),
  },

  check_etrn_access: {
    argument: "table",
    relayEffect: NEVER,
    build: (restrictionDeps, own) => checkEtrnAccess(restrictionDeps, own.argument, own.defaultCheck),
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
