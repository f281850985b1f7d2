import { systemClock } from "../../base/clock.ts";
import { then } from "../../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import { type Hosts, systemHosts } from "../../dns/hosts.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { Log } from "../../observe/log.ts";
import { connect } from "../../platform/socket/connection.ts";
import { withReplyFilter } from "../../rewrite/dns_reply_filter.ts";
import { type MATCH_PARAMETERS, parentMatches } from "../../rewrite/open_tables.ts";
import { findPeer } from "../../table/search/find_peer.ts";
import type { Answer } from "../../table/table.ts";
import type { Agent, DeliveryJob, DeliveryReport } from "../agent.ts";
import type { SessionPostmaster } from "../../smtp/session_notice.ts";
import { addressIn } from "./route/address_list.ts";
import { type ClientParameters, type ClientSettings, clientSettings } from "./client_settings.ts";
import { ConnectionCache } from "./connection_cache.ts";
import type { Connect } from "./connector.ts";
import { deliver } from "./delivery.ts";
import type { ClientTlsContext, DeliveryContext } from "./delivery_context.ts";
import { type ClientCheckSettings, openClientChecks } from "./content/client_checks.ts";
import { type GenericSettings, openGeneric, type RewritingTools } from "./content/generic.ts";
import { systemServices } from "./route/services_file.ts";
import type { ChainSettings } from "../../tls/own/chain_parameters.ts";
import { clientCertificates } from "../../tls/client/client_certificates.ts";
import { logLevelWarnings, tellsDaneRecords } from "../../tls/log_level.ts";
import { logPartsByPeer, type LogPartsFor } from "../../tls/peer_log_level.ts";
import { ownTlsFiles, type TlsFiles } from "../../tls/tls_files.ts";
import { TrustAnchorFiles } from "../../tls/verification/trust_anchors.ts";
import { ClientTlsEngine } from "../../tls/client/client_engine.ts";
import {
  type ClientTlsParameters,
  type ClientTlsSettings,
  clientTlsSettings,
} from "../../tls/client/client_tls_settings.ts";
import { openPixWorkarounds } from "./pix_workarounds.ts";
import { openReplyFilter } from "./reply_filter.ts";
import { ClientLogins } from "./login/client_logins.ts";
import type { LentSecrets } from "../../sasl/password/secret_text.ts";
import { type ClientLoginParameters, loginSettings } from "./login/login_settings.ts";
import { openRequireTlsPolicy } from "./tls/requiretls_policy.ts";
import { type FindSts, refineBySts, type StsRules, withSts } from "./tls/sts_policy.ts";
import type { TlsReporting } from "../../tls/tlsrpt/tls_reporting.ts";
import { type ClientPolicies, openClientPolicies, type RefinePolicy } from "./tls/client_policies.ts";
import { type DaneSettings, refineByDane } from "./tls/dane_policy.ts";

/** The tables that change what the clients send. */
export const CLIENT_TABLE_PARAMETERS = [
  "smtp_generic_maps",
  "lmtp_generic_maps",
  "smtp_discard_ehlo_keyword_address_maps",
  "lmtp_discard_lhlo_keyword_address_maps",
  "smtp_reply_filter",
  "lmtp_reply_filter",
  "smtp_dns_reply_filter",
  "lmtp_dns_reply_filter",
] as const satisfies readonly ParameterName[];

/** What domains and senders wish about TLS (RFC 8461, RFC 8460, RFC 8689). */
export const PUBLISHED_POLICY_PARAMETERS = [
  "lmtp_requiretls_policy",
  "lmtp_tls_enforce_sts_mx_patterns",
  "requiretls_enable",
  "smtp_requiretls_policy",
  "smtp_tls_enforce_sts_mx_patterns",
  "smtp_tlsrpt_skip_reused_handshakes",
  "tls_required_enable",
] as const satisfies readonly ParameterName[];

/** What the SMTP and LMTP clients are made of. */
export interface SmtpAgentOptions {
  readonly program: "smtp" | "lmtp";
  /** Settings of the service (master.cf `-o` on top). */
  readonly settings:
    & ClientParameters
    & SettingsOf<typeof CLIENT_TABLE_PARAMETERS>
    & ClientCheckSettings
    & GenericSettings
    & DaneSettings
    & ClientTlsParameters
    & SettingsOf<typeof MATCH_PARAMETERS>
    & ChainSettings<"smtp" | "lmtp">
    & SettingsOf<typeof PUBLISHED_POLICY_PARAMETERS>
    & ClientLoginParameters;
  readonly resolver: Resolver;
  /** The one that asks for DNSSEC validation (smtp_dns_support_level = dnssec); `resolver` when left out. */
  readonly validatedResolver?: () => Resolver;
  /** Keys, certificates and authorities; the system's as this process may read them when left out. */
  readonly tlsFiles?: TlsFiles;
  readonly log: Log;
  /** Addresses that inet_interfaces stands for. */
  readonly ownAddresses: readonly string[];
  /** Addresses of proxy_interfaces. */
  readonly proxyAddresses?: readonly string[];
  /** Letters of `flags=` in master.cf: D, O, R, F (smtp(8), lmtp(8)). */
  readonly flags?: string;
  /** hosts(5); the system's when left out. */
  readonly hosts?: Hosts;
  readonly connect?: Connect;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly random?: () => number;
  /** Port of a TCP service by name; services(5) when left out. */
  readonly service?: (name: string) => number | undefined;
  /** For smtp_generic_maps and smtp_discard_ehlo_keyword_address_maps; without it those have no effect, and a warning. */
  readonly rewriting?: RewritingTools;
  /** Files of secrets that this process may not read. */
  readonly secrets?: LentSecrets;
  /** Connections that may be kept for the next delivery at a time. */
  readonly kept?: number;
  /** Finds MTA-STS policies; without it there are none (smtp_mta_sts_enable). */
  readonly findSts?: FindSts | undefined;
  /** Who is told what becomes of TLS; without it nobody is (smtp_tlsrpt_enable). */
  readonly reporting?: TlsReporting | undefined;
  /** Who is told of sessions with trouble; without it nobody is (notify_classes). */
  readonly postmaster?: SessionPostmaster;
  /** Hands a job to best_mx_transport; without it a loop is a loop. */
  readonly bestMx?: (job: DeliveryJob, signal: AbortSignal) => Promise<DeliveryReport>;
}

const KEPT = 200;

/** The SMTP client, and with `program: "lmtp"` the LMTP client (smtp(8), lmtp(8)). */
export function createSmtpAgent(options: SmtpAgentOptions): Agent {
  const context = openDeliveryContext(options);
  return {
    program: options.program,
    deliver: (job, signal) => deliver(job, signal, context),
    close: async () => context.cache.close(),
  };
}

/** What its deliveries share. */
export function openDeliveryContext(options: SmtpAgentOptions): DeliveryContext {
  const settings = clientSettings(options.program, options.settings);
  const now = options.now ?? systemClock.now;
  const cache = new ConnectionCache(
    {
      idle: settings.cacheTimeLimit,
      reuse: settings.reuseTimeLimit,
      count: settings.reuseCountLimit,
      kept: options.kept ?? KEPT,
    },
    now,
  );
  const warn = (text: string) => options.log.note(options.program, "warning", text);
  warnOfTables(settings.cacheDestinations, warn);
  const resolver = openResolver(options, settings, warn);
  return {
    settings,
    resolver,
    log: options.log,
    ownAddresses: options.ownAddresses,
    isOwnAddress: addressIn([...options.ownAddresses, ...options.proxyAddresses ?? []]),
    flags: new Set(options.flags ?? ""),
    hosts: options.hosts ?? systemHosts(),
    connect: options.connect ?? connect,
    now,
    random: options.random ?? Math.random,
    service: options.service ?? systemServices(),
    cache,
    ...openTables(options, warn),
    pixFor: openPixWorkarounds(settings.pix, options.rewriting?.openTables, {
      parameter: `${options.program}_pix_workaround_maps`,
      warn,
    }),
    logins: openLogins(options, now),
    tls: openTls(options, settings, resolver, now, warn),
    postmaster: options.postmaster,
    bestMx: options.bestMx,
    warn,
  };
}

/** Who is asked for records, without those that the operator's tables leave out. */
function openResolver(
  { program, settings, resolver, validatedResolver, rewriting, log }: SmtpAgentOptions,
  { dns }: ClientSettings,
  warn: (text: string) => void,
): Resolver {
  const title = `${program}_dns_reply_filter` as const;
  const asked = dns === "dnssec" ? validatedResolver?.() ?? resolver : resolver;
  return withReplyFilter(asked, settings[title], rewriting?.openTables, {
    title,
    note: (text) => log.note(program, "info", text),
    warn,
  });
}

/** Policies of TLS, and what handshakes are made with. */
function openTls(
  options: SmtpAgentOptions,
  client: ClientSettings,
  resolver: Resolver,
  now: () => number,
  warn: (text: string) => void,
): ClientTlsContext {
  const { program, settings, tlsFiles: files = ownTlsFiles } = options;
  const tls = clientTlsSettings(program, settings);
  const logParts = serverLogParts(options, tls, warn);
  const dane = refineByDane(client, settings, resolver, {
    now,
    warn,
    note: (text) => options.log.note(program, "info", text),
    tellsRecords: (server) => then(logParts(server), tellsDaneRecords),
  });
  return {
    settings: tls,
    logParts,
    ...openWishes(options, warn),
    engine: new ClientTlsEngine(tls, {
      now,
      files,
      warn,
      own: ownCertificates(program, settings, files, warn),
    }),
    policies: openPolicies(options, tls, dane, files, warn),
  };
}

/** What is demanded of next hops and servers. */
function openPolicies(
  { program, settings, rewriting, findSts }: SmtpAgentOptions,
  tls: ClientTlsSettings,
  dane: RefinePolicy,
  files: TlsFiles,
  warn: (text: string) => void,
): ClientPolicies {
  const maps = (text: string, title: string) =>
    rewriting?.openTables.maps(text, `${program}_${title}`)?.whole;
  const [policies, perSite] = [settings[`${program}_tls_policy_maps`], settings[`${program}_tls_per_site`]];
  if (policies !== "" && perSite !== "") {
    warn(`${program}_tls_per_site ignored when ${program}_tls_policy_maps is not empty.`);
  }
  const rules: StsRules = {
    find: findSts,
    enforcesTables: settings[`${program}_tls_enforce_sts_mx_patterns`],
    protocols: tls.mandatory.protocols,
  };
  return openClientPolicies({
    settings: tls,
    policyMaps: maps(policies, "tls_policy_maps"),
    perSite: maps(perSite, "tls_per_site"),
    refine: refineBySts(dane, rules),
    extend: (draft, destination) => withSts(draft, destination, rules),
    files: new TrustAnchorFiles(files),
    warn,
  });
}

/** What is told of a server, by itself. lmtp(8) too goes by the name smtp_tls_loglevel_maps in parent_domain_matches_subdomains. */
function serverLogParts(
  { program, settings, rewriting }: SmtpAgentOptions,
  { log }: ClientTlsSettings,
  warn: (text: string) => void,
): LogPartsFor {
  logLevelWarnings(`${program}_tls_loglevel`, settings[`${program}_tls_loglevel`]).forEach(warn);
  const parameter = `${program}_tls_loglevel_maps` as const;
  const maps = rewriting?.openTables.maps(settings[parameter], parameter);
  const tables = maps && { ...maps, parentMatches: parentMatches(settings, "smtp_tls_loglevel_maps") };
  return logPartsByPeer({
    parameter,
    general: log,
    find: tables && ((server) => findPeer(server, tables)),
    warn,
  });
}

/** What senders and domains wish about TLS. */
function openWishes(
  { program, settings, rewriting, reporting, log }: SmtpAgentOptions,
  warn: (text: string) => void,
): Pick<ClientTlsContext, "wishes" | "requireTls" | "reports"> {
  const parameter = `${program}_requiretls_policy` as const;
  const tools = { parameter, openTables: rewriting?.openTables, warn };
  return {
    wishes: { requireTls: settings.requiretls_enable, tlsRequired: settings.tls_required_enable },
    requireTls: openRequireTlsPolicy(settings[parameter], tools),
    reports: reporting && {
      reporting,
      skipsReused: settings.smtp_tlsrpt_skip_reused_handshakes,
      note: (text) => log.note(program, "info", text),
    },
  };
}

function ownCertificates(
  program: "smtp" | "lmtp",
  settings: SmtpAgentOptions["settings"],
  files: TlsFiles,
  warn: (text: string) => void,
) {
  return program === "smtp"
    ? clientCertificates("smtp", settings, files, warn)
    : clientCertificates("lmtp", settings, files, warn);
}

/** Logins at other servers; undefined where there are none (smtp_sasl_auth_enable). */
function openLogins(
  { program, settings, rewriting, secrets = {} }: SmtpAgentOptions,
  now: () => number,
): ClientLogins | undefined {
  const read = loginSettings(program, settings);
  return read && new ClientLogins(read, rewriting, { files: secrets, now });
}

/** The tables that change what is sent. */
function openTables(
  { program, settings, rewriting, log }: SmtpAgentOptions,
  warn: (text: string) => void,
): Pick<DeliveryContext, "checks" | "generic" | "rewriteField" | "discardKeywords" | "filterReply"> {
  const pick = (smtp: string, lmtp: string) => program === "smtp" ? smtp : lmtp;
  const maps = pick(settings.smtp_generic_maps, settings.lmtp_generic_maps);
  const discard = pick(
    settings.smtp_discard_ehlo_keyword_address_maps,
    settings.lmtp_discard_lhlo_keyword_address_maps,
  );
  if (rewriting === undefined) {
    if (maps + discard !== "") warn(`${program} client: no tables here: "${maps} ${discard}" has no effect`);
    return { checks: undefined, generic: undefined, rewriteField: undefined, discardKeywords: undefined };
  }
  const generic = openGeneric(maps, `${program}_generic_maps`, settings, rewriting);
  const discardMaps = rewriting.openTables.maps(discard, `${program} discarded EHLO keywords`);
  return {
    checks: openClientChecks(program, settings, rewriting.openTables),
    generic: generic?.address,
    rewriteField: generic?.field,
    filterReply: openReplyFilter(settings[`${program}_reply_filter`], rewriting.openTables, {
      parameter: `${program}_reply_filter`,
      note: (text) => log.note(program, "info", text),
      warn,
    }),
    discardKeywords: discardMaps === undefined
      ? undefined
      : (address) => then(discardMaps.whole.find(address), valueOf),
  };
}

/** A table's answer; trouble ends the delivery attempt (the caller reports a local data error). */
function valueOf(answer: Answer): string | undefined {
  if (answer.is === "trouble") throw new Error(answer.why);
  return answer.is === "found" ? answer.value : undefined;
}

/** smtp_connection_cache_destinations takes names alone here; a table or file in it is not passed over in silence. */
function warnOfTables(destinations: ReadonlySet<string>, warn: (text: string) => void): void {
  for (const item of destinations) {
    if (/[:/!]/.test(item)) {
      warn(`connection_cache_destinations: "${item}" has no effect: list domain names instead`);
    }
  }
}
