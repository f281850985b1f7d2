import { splitList, splitMatchList } from "../../config/syntax/list.ts";
import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import { type WalkLimits, walkLimits } from "../../message/mime_walker.ts";
import type { PixSettings } from "./pix_workarounds.ts";
import type { Families } from "../../dns/answer.ts";

/** Parameters that the SMTP and LMTP clients read, whichever it is. */
export const CLIENT_PARAMETERS = [
  "best_mx_transport",
  "disable_dns_lookups",
  "disable_mime_output_conversion",
  "header_size_limit",
  "helpful_warnings",
  "ignore_mx_lookup_error",
  "inet_protocols",
  "known_tcp_ports",
  "line_length_limit",
  "lmtp_address_preference",
  "lmtp_address_verify_target",
  "lmtp_assume_final",
  "lmtp_balance_inet_protocols",
  "lmtp_bind_address",
  "lmtp_bind_address6",
  "lmtp_bind_address_enforce",
  "lmtp_connect_timeout",
  "lmtp_connection_cache_destinations",
  "lmtp_connection_cache_on_demand",
  "lmtp_connection_cache_time_limit",
  "lmtp_connection_reuse_count_limit",
  "lmtp_connection_reuse_time_limit",
  "lmtp_data_done_timeout",
  "lmtp_data_init_timeout",
  "lmtp_data_xfer_timeout",
  "lmtp_defer_if_no_mx_address_found",
  "lmtp_discard_lhlo_keywords",
  "lmtp_dns_support_level",
  "lmtp_fallback_relay",
  "lmtp_host_lookup",
  "lmtp_lhlo_name",
  "lmtp_lhlo_timeout",
  "lmtp_line_length_limit",
  "lmtp_log_tls_feature_status",
  "lmtp_mail_timeout",
  "lmtp_min_data_rate",
  "lmtp_mx_address_limit",
  "lmtp_mx_session_limit",
  "lmtp_per_request_deadline",
  "lmtp_pix_workaround_delay_time",
  "lmtp_pix_workaround_maps",
  "lmtp_pix_workaround_threshold_time",
  "lmtp_pix_workarounds",
  "lmtp_quit_timeout",
  "lmtp_quote_rfc821_envelope",
  "lmtp_randomize_addresses",
  "lmtp_rcpt_timeout",
  "lmtp_rset_timeout",
  "lmtp_send_xforward_command",
  "lmtp_skip_5xx_greeting",
  "lmtp_skip_quit_response",
  "lmtp_tcp_port",
  "lmtp_xforward_timeout",
  "mime_boundary_length_limit",
  "mime_nesting_limit",
  "minimal_backoff_time",
  "myhostname",
  "relayhost",
  "smtp_address_preference",
  "smtp_address_verify_target",
  "smtp_always_send_ehlo",
  "smtp_balance_inet_protocols",
  "smtp_bind_address",
  "smtp_bind_address6",
  "smtp_bind_address_enforce",
  "smtp_connect_timeout",
  "smtp_connection_cache_destinations",
  "smtp_connection_cache_on_demand",
  "smtp_connection_cache_time_limit",
  "smtp_connection_reuse_count_limit",
  "smtp_connection_reuse_time_limit",
  "smtp_data_done_timeout",
  "smtp_data_init_timeout",
  "smtp_data_xfer_timeout",
  "smtp_defer_if_no_mx_address_found",
  "smtp_discard_ehlo_keywords",
  "smtp_dns_support_level",
  "smtp_fallback_relay",
  "smtp_helo_name",
  "smtp_helo_timeout",
  "smtp_host_lookup",
  "smtp_line_length_limit",
  "smtp_log_tls_feature_status",
  "smtp_mail_timeout",
  "smtp_min_data_rate",
  "smtp_mx_address_limit",
  "smtp_mx_session_limit",
  "smtp_never_send_ehlo",
  "smtp_per_request_deadline",
  "smtp_pix_workaround_delay_time",
  "smtp_pix_workaround_maps",
  "smtp_pix_workaround_threshold_time",
  "smtp_pix_workarounds",
  "smtp_quit_timeout",
  "smtp_quote_rfc821_envelope",
  "smtp_randomize_addresses",
  "smtp_rcpt_timeout",
  "smtp_rset_timeout",
  "smtp_send_xforward_command",
  "smtp_skip_5xx_greeting",
  "smtp_skip_quit_response",
  "smtp_tcp_port",
  "smtp_xforward_timeout",
  "soft_bounce",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type ClientParameters = SettingsOf<typeof CLIENT_PARAMETERS>;

/** How long each step may take, in milliseconds (smtp(8), TIMEOUT CONTROLS). */
export interface Timeouts {
  /** 0 = the system's own. */
  readonly connect: number;
  readonly hello: number;
  readonly xforward: number;
  readonly mail: number;
  readonly rcpt: number;
  readonly dataInit: number;
  readonly dataTransfer: number;
  readonly dataDone: number;
  readonly rset: number;
  readonly quit: number;
}

/** Where host names are looked up (smtp_host_lookup). */
export type HostLookup = "dns" | "native";

/** The client's parameters under one name for both protocols, taken apart. */
export interface ClientSettings {
  readonly program: "smtp" | "lmtp";
  readonly timeouts: Timeouts;
  readonly myhostname: string;
  readonly helloName: string;
  readonly alwaysSendEhlo: boolean;
  readonly neverSendEhlo: boolean;
  readonly skip5xxGreeting: boolean;
  /** Delivery lines tell of TLS. */
  readonly logsTlsStatus: boolean;
  readonly skipQuitResponse: boolean;
  readonly discardEhloKeywords: ReadonlySet<string>;
  readonly pix: PixSettings;
  readonly defaultPort: string;
  readonly knownPorts: ReadonlyMap<string, number>;
  readonly families: Families;
  readonly addressPreference: "any" | "ipv4" | "ipv6";
  readonly randomizeAddresses: boolean;
  readonly balanceProtocols: boolean;
  /** 0 = none. */
  readonly mxAddressLimit: number;
  readonly mxSessionLimit: number;
  readonly dns: "disabled" | "enabled" | "dnssec";
  readonly hostLookup: readonly HostLookup[];
  readonly ignoreMxLookupError: boolean;
  readonly deferIfNoMxAddress: boolean;
  readonly fallbackRelays: readonly string[];
  readonly relayhost: string;
  readonly bestMxTransport: string;
  readonly bindAddress: string;
  readonly bindAddress6: string;
  readonly bindAddressEnforce: boolean;
  readonly cacheOnDemand: boolean;
  readonly cacheDestinations: ReadonlySet<string>;
  /** Milliseconds. */
  readonly cacheTimeLimit: number;
  readonly reuseTimeLimit: number;
  readonly reuseCountLimit: number;
  readonly lineLengthLimit: number;
  /** line_length_limit: how much of a reply is kept. */
  readonly replyLineLimit: number;
  readonly quoteEnvelope: boolean;
  readonly sendXforward: boolean;
  readonly perRequestDeadline: boolean;
  /** Bytes per second. */
  readonly minDataRate: number;
  readonly convertMime: boolean;
  readonly walkLimits: WalkLimits;
  /** Milliseconds. */
  readonly minimalBackoff: number;
  readonly softBounce: boolean;
  readonly verifyTarget: "rcpt" | "data";
  readonly assumeFinal: boolean;
  readonly helpfulWarnings: boolean;
}

/** The one value for smtp(8), the other for lmtp(8). */
type OfProtocol = <T>(smtp: T, lmtp: T) => T;

const timeoutsOf = (pick: OfProtocol, s: ClientParameters): Timeouts => ({
  connect: 1000 * pick(s.smtp_connect_timeout, s.lmtp_connect_timeout),
  hello: 1000 * pick(s.smtp_helo_timeout, s.lmtp_lhlo_timeout),
  xforward: 1000 * pick(s.smtp_xforward_timeout, s.lmtp_xforward_timeout),
  mail: 1000 * pick(s.smtp_mail_timeout, s.lmtp_mail_timeout),
  rcpt: 1000 * pick(s.smtp_rcpt_timeout, s.lmtp_rcpt_timeout),
  dataInit: 1000 * pick(s.smtp_data_init_timeout, s.lmtp_data_init_timeout),
  dataTransfer: 1000 * pick(s.smtp_data_xfer_timeout, s.lmtp_data_xfer_timeout),
  dataDone: 1000 * pick(s.smtp_data_done_timeout, s.lmtp_data_done_timeout),
  rset: 1000 * pick(s.smtp_rset_timeout, s.lmtp_rset_timeout),
  quit: 1000 * pick(s.smtp_quit_timeout, s.lmtp_quit_timeout),
});

const pixOf = (pick: OfProtocol, s: ClientParameters): PixSettings => ({
  workarounds: pick(s.smtp_pix_workarounds, s.lmtp_pix_workarounds),
  maps: pick(s.smtp_pix_workaround_maps, s.lmtp_pix_workaround_maps),
  threshold: 1000 * pick(s.smtp_pix_workaround_threshold_time, s.lmtp_pix_workaround_threshold_time),
  delay: 1000 * pick(s.smtp_pix_workaround_delay_time, s.lmtp_pix_workaround_delay_time),
});

/** Reads the parameters of one service; seconds become milliseconds. */
export function clientSettings(
  program: "smtp" | "lmtp",
  s: ClientParameters,
): ClientSettings {
  const pick: OfProtocol = (smtp, lmtp) => program === "smtp" ? smtp : lmtp;
  const dns = clientDnsLevel(program, s);
  return {
    program,
    timeouts: timeoutsOf(pick, s),
    myhostname: s.myhostname,
    helloName: pick(s.smtp_helo_name, s.lmtp_lhlo_name),
    alwaysSendEhlo: s.smtp_always_send_ehlo,
    neverSendEhlo: s.smtp_never_send_ehlo,
    logsTlsStatus: pick(s.smtp_log_tls_feature_status, s.lmtp_log_tls_feature_status),
    skip5xxGreeting: pick(s.smtp_skip_5xx_greeting, s.lmtp_skip_5xx_greeting),
    skipQuitResponse: pick(s.smtp_skip_quit_response, s.lmtp_skip_quit_response),
    pix: pixOf(pick, s),
    discardEhloKeywords: upperCaseSet(pick(s.smtp_discard_ehlo_keywords, s.lmtp_discard_lhlo_keywords)),
    defaultPort: pick(s.smtp_tcp_port, s.lmtp_tcp_port),
    knownPorts: parseKnownPorts(s.known_tcp_ports),
    families: familiesOf(s.inet_protocols),
    addressPreference: preferenceOf(pick(s.smtp_address_preference, s.lmtp_address_preference)),
    randomizeAddresses: pick(s.smtp_randomize_addresses, s.lmtp_randomize_addresses),
    balanceProtocols: pick(s.smtp_balance_inet_protocols, s.lmtp_balance_inet_protocols),
    mxAddressLimit: pick(s.smtp_mx_address_limit, s.lmtp_mx_address_limit),
    mxSessionLimit: pick(s.smtp_mx_session_limit, s.lmtp_mx_session_limit),
    dns,
    hostLookup: dns === "disabled" ? ["native"] : hostLookups(pick(s.smtp_host_lookup, s.lmtp_host_lookup)),
    ignoreMxLookupError: s.ignore_mx_lookup_error,
    deferIfNoMxAddress: pick(s.smtp_defer_if_no_mx_address_found, s.lmtp_defer_if_no_mx_address_found),
    fallbackRelays: splitList(pick(s.smtp_fallback_relay, s.lmtp_fallback_relay)),
    relayhost: s.relayhost,
    bestMxTransport: s.best_mx_transport,
    bindAddress: unbracketed(pick(s.smtp_bind_address, s.lmtp_bind_address)),
    bindAddress6: unbracketed(pick(s.smtp_bind_address6, s.lmtp_bind_address6)),
    bindAddressEnforce: pick(s.smtp_bind_address_enforce, s.lmtp_bind_address_enforce),
    cacheOnDemand: pick(s.smtp_connection_cache_on_demand, s.lmtp_connection_cache_on_demand),
    cacheDestinations: new Set(
      splitMatchList(pick(s.smtp_connection_cache_destinations, s.lmtp_connection_cache_destinations)).items
        .map((name) => name.toLowerCase()),
    ),
    cacheTimeLimit: 1000 * pick(s.smtp_connection_cache_time_limit, s.lmtp_connection_cache_time_limit),
    reuseTimeLimit: 1000 * pick(s.smtp_connection_reuse_time_limit, s.lmtp_connection_reuse_time_limit),
    reuseCountLimit: pick(s.smtp_connection_reuse_count_limit, s.lmtp_connection_reuse_count_limit),
    replyLineLimit: s.line_length_limit,
    lineLengthLimit: pick(s.smtp_line_length_limit, s.lmtp_line_length_limit),
    quoteEnvelope: pick(s.smtp_quote_rfc821_envelope, s.lmtp_quote_rfc821_envelope),
    sendXforward: pick(s.smtp_send_xforward_command, s.lmtp_send_xforward_command),
    perRequestDeadline: pick(s.smtp_per_request_deadline, s.lmtp_per_request_deadline),
    minDataRate: pick(s.smtp_min_data_rate, s.lmtp_min_data_rate),
    convertMime: !s.disable_mime_output_conversion,
    walkLimits: walkLimits(s, s.line_length_limit),
    minimalBackoff: 1000 * s.minimal_backoff_time,
    softBounce: s.soft_bounce,
    verifyTarget: pick(s.smtp_address_verify_target, s.lmtp_address_verify_target) === "data"
      ? "data"
      : "rcpt",
    helpfulWarnings: s.helpful_warnings,
    assumeFinal: program === "lmtp" && s.lmtp_assume_final,
  };
}

function upperCaseSet(list: string): ReadonlySet<string> {
  return new Set(splitList(list).map((keyword) => keyword.replaceAll("_", "-").toUpperCase()));
}

/** `smtps=submissions=465` gives both names the port (known_tcp_ports). */
function parseKnownPorts(list: string): ReadonlyMap<string, number> {
  const ports = new Map<string, number>();
  for (const item of splitList(list)) {
    const names = item.split("=").map((part) => part.trim());
    const port = Number(names.pop());
    for (const name of names) if (Number.isInteger(port)) ports.set(name, port);
  }
  return ports;
}

/** Families of inet_protocols, in the order in which Postfix asks for their addresses. */
export function familiesOf(list: string): Families {
  const names = new Set(splitList(list).map((name) => name.toLowerCase()));
  const families: (4 | 6)[] = [];
  if (names.has("all") || names.has("ipv4")) families.push(4);
  if (names.has("all") || names.has("ipv6")) families.push(6);
  return families;
}

function preferenceOf(word: string): "any" | "ipv4" | "ipv6" {
  return word === "ipv4" || word === "ipv6" ? word : "any";
}

/** What a client wants of the DNS; an empty smtp_dns_support_level leaves it to the older disable_dns_lookups. */
export function clientDnsLevel(
  program: "smtp" | "lmtp",
  s: Pick<ClientParameters, "smtp_dns_support_level" | "lmtp_dns_support_level" | "disable_dns_lookups">,
): ClientSettings["dns"] {
  const word = program === "smtp" ? s.smtp_dns_support_level : s.lmtp_dns_support_level;
  if (word === "disabled" || word === "enabled" || word === "dnssec") return word;
  return s.disable_dns_lookups ? "disabled" : "enabled";
}

function hostLookups(list: string): readonly HostLookup[] {
  return splitList(list).map((word) => word.toLowerCase()).filter((word): word is HostLookup =>
    word === "dns" || word === "native"
  );
}

function unbracketed(address: string): string {
  return address.replace(/^\[(.*)\]$/, "$1");
}
