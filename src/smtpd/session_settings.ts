import { splitMatchList } from "../config/syntax/list.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import type { PathOptions } from "../address/path.ts";
import type { VerpRules } from "../smtp/mail_parameters.ts";
import { classed, refusalWith, refuse, type Reply } from "../smtp/reply.ts";
import type { RatedEvent } from "./deps.ts";
import { type Discarded, discardedIn } from "./ehlo_keywords.ts";
import { readTlsSettings, type SESSION_TLS_PARAMETERS, type TlsSettings } from "./tls/tls_settings.ts";
import { type ForbiddenCommands, readForbiddenCommands } from "./policy/forbidden_commands.ts";

/** A service's settings, ready for use: lists split, texts put together, once per service instead of once per session. */
export interface SessionSettings {
  readonly service: string;
  readonly myhostname: string;
  readonly mailName: string;
  readonly banner: string;
  readonly timeout: number;
  readonly perRequestDeadline: boolean;
  /** The service is told of stress (STRESS_README). */
  readonly stressed: boolean;
  readonly minDataRate: number;
  readonly heloRequired: boolean;
  readonly softErrorLimit: number;
  readonly hardErrorLimit: number;
  readonly errorSleep: number;
  readonly junkLimit: number;
  readonly historyThreshold: number;
  readonly recipientLimit: number;
  readonly overshootLimit: number;
  readonly lineLimit: number;
  readonly messageSizeLimit: number;
  readonly softBounce: boolean;
  readonly smtputf8: boolean;
  readonly requireTls: boolean;
  readonly strictSmtputf8: boolean;
  readonly path: PathOptions;
  readonly tls: TlsSettings;
  readonly brokenAuthClients: boolean;
  readonly saslResponseLimit: number;
  readonly vrfyDisabled: boolean;
  readonly discarded: Discarded;
  readonly noopCommands: ReadonlySet<string>;
  readonly forbiddenCommands: ForbiddenCommands;
  readonly bareNewline: "no" | "normalize" | "reject" | "note";
  readonly bareNewlineRefusal: Reply;
  readonly keepBareCr: boolean;
  readonly forbidUnauthPipelining: boolean;
  readonly delayOpen: boolean;
  readonly peernameLookup: boolean;
  readonly portLogging: boolean;
  readonly hideClientSession: boolean;
  readonly contentFilter: string | undefined;
  /** What milters are told of this server (milter_macro_daemon_name, milter_macro_v). */
  readonly milterNames: { readonly daemon: string; readonly version: string };
  /** Mail must pass a before-queue filter (smtpd_proxy_filter). */
  readonly proxyFilter: boolean;
  readonly saslHeader: boolean;
  readonly xclient: boolean;
  readonly xforward: boolean;
  readonly xverp: boolean;
  readonly verp: VerpRules;
  readonly connectionCountLimit: number;
  readonly connectionRateLimit: number;
  /** Per anvil_rate_time_unit; 0 is no limit. */
  readonly rateLimits: Readonly<Record<RatedEvent, number>>;
  /** How much of a client's address counts as the client. */
  readonly prefixLengths: { readonly ipv4: number; readonly ipv6: number };
}

/** The parameters of a session. */
export const SESSION_PARAMETERS = [
  "strict_rfc821_envelopes",
  "resolve_numeric_domain",
  "allow_min_user",
  "allow_percent_hack",
  "resolve_dequoted_address",
  "resolve_null_domain",
  "swap_bangpath",
  "myhostname",
  "mail_name",
  "smtpd_banner",
  "smtpd_timeout",
  "smtpd_per_request_deadline",
  "stress",
  "smtpd_min_data_rate",
  "smtpd_helo_required",
  "smtpd_soft_error_limit",
  "smtpd_hard_error_limit",
  "smtpd_error_sleep_time",
  "smtpd_junk_command_limit",
  "smtpd_history_flush_threshold",
  "smtpd_recipient_limit",
  "smtpd_recipient_overshoot_limit",
  "line_length_limit",
  "message_size_limit",
  "soft_bounce",
  "smtputf8_enable",
  "strict_smtputf8",
  "requiretls_enable",
  "broken_sasl_auth_clients",
  "smtpd_sasl_response_limit",
  "smtpd_sasl_authenticated_header",
  "disable_vrfy_command",
  "smtpd_discard_ehlo_keywords",
  "smtpd_noop_commands",
  "smtpd_forbidden_commands",
  "smtpd_forbid_bare_newline",
  "smtpd_forbid_bare_newline_reject_code",
  "cleanup_replace_stray_cr_lf",
  "smtpd_forbid_unauth_pipelining",
  "smtpd_delay_open_until_valid_rcpt",
  "smtpd_peername_lookup",
  "smtpd_client_port_logging",
  "smtpd_hide_client_session",
  "content_filter",
  "milter_macro_daemon_name",
  "milter_macro_v",
  "smtpd_authorized_xclient_hosts",
  "smtpd_authorized_xforward_hosts",
  "smtpd_authorized_verp_clients",
  "default_verp_delimiters",
  "verp_delimiter_filter",
  "smtpd_client_connection_count_limit",
  "smtpd_client_connection_rate_limit",
  "smtpd_client_message_rate_limit",
  "smtpd_client_recipient_rate_limit",
  "smtpd_client_auth_rate_limit",
  "smtpd_client_new_tls_session_rate_limit",
  "smtpd_client_ipv4_prefix_length",
  "smtpd_client_ipv6_prefix_length",
  "smtpd_proxy_filter",
] as const satisfies readonly ParameterName[];

/** Their values. */
type SessionValues =
  & SettingsOf<typeof SESSION_PARAMETERS>
  & SettingsOf<typeof SESSION_TLS_PARAMETERS>;

function readBareNewline(text: string): SessionSettings["bareNewline"] {
  const word = text.toLowerCase();
  if (word === "reject" || word === "note" || word === "no") return word;
  return "normalize";
}

/** smtpd_forbid_bare_newline_reject_code is 500 to 599 (postconf(5)). */
function readBareNewlineRefusal(settings: SessionValues): Reply {
  const text = `${settings.myhostname} Error: bare <LF> received`;
  const code = settings.smtpd_forbid_bare_newline_reject_code;
  return classed(refusalWith(code, "5.5.2", text) ?? refuse(550, "5.5.2", text), "protocol");
}

const upperSet = (text: string) => new Set(splitMatchList(text).items.map((word) => word.toUpperCase()));

function readPath(settings: SessionValues): PathOptions {
  return {
    strict: settings.strict_rfc821_envelopes,
    numericDomain: settings.resolve_numeric_domain,
    minUser: settings.allow_min_user,
    nullDomain: settings.resolve_null_domain,
    dequoted: settings.resolve_dequoted_address,
    percent: settings.allow_percent_hack,
    bangs: settings.swap_bangpath,
  };
}

function readRateLimits(settings: SessionValues): SessionSettings["rateLimits"] {
  return {
    mail: settings.smtpd_client_message_rate_limit,
    recipient: settings.smtpd_client_recipient_rate_limit,
    newTls: settings.smtpd_client_new_tls_session_rate_limit,
    auth: settings.smtpd_client_auth_rate_limit,
  };
}

/** Reads a service's settings. */
export function readSessionSettings(
  { name, settings }: { readonly name: string; readonly settings: SessionValues },
): SessionSettings {
  return {
    service: name,
    myhostname: settings.myhostname,
    mailName: settings.mail_name,
    banner: settings.smtpd_banner,
    timeout: settings.smtpd_timeout * 1000,
    perRequestDeadline: settings.smtpd_per_request_deadline,
    stressed: settings.stress !== "",
    minDataRate: settings.smtpd_min_data_rate,
    heloRequired: settings.smtpd_helo_required,
    softErrorLimit: settings.smtpd_soft_error_limit,
    hardErrorLimit: settings.smtpd_hard_error_limit,
    errorSleep: settings.smtpd_error_sleep_time * 1000,
    historyThreshold: settings.smtpd_history_flush_threshold,
    junkLimit: settings.smtpd_junk_command_limit,
    recipientLimit: settings.smtpd_recipient_limit,
    overshootLimit: settings.smtpd_recipient_overshoot_limit,
    lineLimit: settings.line_length_limit,
    messageSizeLimit: settings.message_size_limit,
    softBounce: settings.soft_bounce,
    smtputf8: settings.smtputf8_enable,
    requireTls: settings.requiretls_enable,
    strictSmtputf8: settings.strict_smtputf8,
    path: readPath(settings),
    tls: readTlsSettings(settings),
    brokenAuthClients: settings.broken_sasl_auth_clients,
    saslResponseLimit: settings.smtpd_sasl_response_limit,
    vrfyDisabled: settings.disable_vrfy_command,
    discarded: discardedIn(settings.smtpd_discard_ehlo_keywords),
    noopCommands: upperSet(settings.smtpd_noop_commands),
    forbiddenCommands: readForbiddenCommands(settings.smtpd_forbidden_commands),
    bareNewline: readBareNewline(settings.smtpd_forbid_bare_newline),
    bareNewlineRefusal: readBareNewlineRefusal(settings),
    keepBareCr: !settings.cleanup_replace_stray_cr_lf,
    forbidUnauthPipelining: settings.smtpd_forbid_unauth_pipelining,
    delayOpen: settings.smtpd_delay_open_until_valid_rcpt,
    peernameLookup: settings.smtpd_peername_lookup,
    portLogging: settings.smtpd_client_port_logging,
    hideClientSession: settings.smtpd_hide_client_session,
    contentFilter: settings.content_filter || undefined,
    milterNames: { daemon: settings.milter_macro_daemon_name, version: settings.milter_macro_v },
    proxyFilter: settings.smtpd_proxy_filter !== "",
    saslHeader: settings.smtpd_sasl_authenticated_header,
    xclient: settings.smtpd_authorized_xclient_hosts !== "",
    xforward: settings.smtpd_authorized_xforward_hosts !== "",
    xverp: settings.smtpd_authorized_verp_clients !== "",
    verp: { delimiters: settings.default_verp_delimiters, filter: settings.verp_delimiter_filter },
    connectionCountLimit: settings.smtpd_client_connection_count_limit,
    connectionRateLimit: settings.smtpd_client_connection_rate_limit,
    rateLimits: readRateLimits(settings),
    prefixLengths: {
      ipv4: settings.smtpd_client_ipv4_prefix_length,
      ipv6: settings.smtpd_client_ipv6_prefix_length,
    },
  };
}
