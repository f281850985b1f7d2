import type { Address } from "../address/address.ts";
import type { AccessPolicy, Facts } from "../access/policy.ts";
import type { Clock } from "../base/clock.ts";
import type { MaybeAsync } from "../base/maybe_async.ts";
import type { Cleanup } from "../cleanup/cleanup.ts";
import type { Service } from "../config/service.ts";
import type { ClientName } from "../dns/reverse.ts";
import type { FilterChain } from "../milter/filter_chain.ts";
import type { Log } from "../observe/log.ts";
import type { QueueId } from "../queue/envelope.ts";
import type { Router } from "../routing/route.ts";
import type { Reply } from "../smtp/reply.ts";
import type { SessionPostmaster } from "../smtp/session_notice.ts";
import type { MailAuthentication } from "./authentication/mail_authentication.ts";
import type { AuthServer } from "./auth_server.ts";
import type { FlushSite } from "../flush/flush.ts";
import type { BeginFiltered } from "./before_queue/filtered_mail.ts";
import type { ServiceTls } from "./service_tls.ts";

/** What a client does that has a rate: smtpd_client_message_rate_limit and its kin. */
export type RatedEvent = "mail" | "recipient" | "newTls" | "auth";

/** Counts of what clients do, across sessions and workers (anvil(8)), by service and range of addresses. Each call answers the count. */
export interface Anvil {
  connect(service: string, range: string): MaybeAsync<{ readonly count: number; readonly rate: number }>;
  disconnect(service: string, range: string): void;
  count(what: RatedEvent, service: string, range: string): MaybeAsync<number>;
  /** How many handshakes there have been, this one not counted. */
  newTlsRate(service: string, range: string): MaybeAsync<number>;
}

/** A client that logs in, as its failures are counted: the range of addresses that counts as the client, and its network. */
export interface LoginClient {
  readonly range: string;
  readonly network: string;
}

/** What is known against a client or user, of failed logins. */
export interface LoginVerdict {
  /** Seconds for which it is refused; 0 when it is not. */
  readonly refusedFor: number;
  /** Seconds that the answer is held back. */
  readonly delay: number;
  /** Where its password waits to be compared: 0 comes first (somebody has logged in from there), 2 last (it has failed). */
  readonly rank: 0 | 1 | 2;
}

/** The account of failed logins, across sessions and workers (login_failure_limit). */
export interface LoginAccount {
  begin(address: string): MaybeAsync<LoginVerdict>;
  failed(address: string, user: string | undefined): MaybeAsync<LoginVerdict>;
  passed(address: string, user: string): MaybeAsync<LoginVerdict>;
}

/** The account of what users send (user_hourly_message_limit and its kin). */
export interface SendingAccount {
  /** Counts a message. */
  sent(username: string, recipients: readonly string[]): MaybeAsync<SendingVerdict>;
}

/** Whether a user may send a message now: `over` tells which limit forbids it; `unknown` when the account gives no answer. */
export type SendingVerdict =
  | { readonly is: "within" }
  | { readonly is: "unknown" }
  | { readonly is: "over"; readonly over: string };

/** A client as the lists of main.cf name it. */
export interface ListedClient {
  readonly name: string;
  readonly address: string;
}

/** The sender of our own address verification probes, as others use it who verify it in turn (address_verify_sender). */
export interface ProbeSender {
  /** Without its part that changes with time; undefined for any other address. */
  recognize(address: Address): Address | undefined;
  /** Whether its mail would be for us to take: it is accepted before any restriction is asked. */
  isOurs(): MaybeAsync<boolean>;
}

/** What smtpd is built from. Only `master/` has all of it; tests bring fakes. */
export interface SmtpdDeps {
  readonly service: Service;
  /** The same service with `stress = yes`, used while all slots are taken (STRESS_README). */
  readonly stressed?: Service;
  readonly access: AccessPolicy;
  readonly cleanup: Cleanup;
  readonly newId: () => QueueId;
  /** The filter before the queue; without it, a service that has one set takes no mail (smtpd_proxy_filter). */
  readonly beginFiltered?: BeginFiltered;
  readonly log: Log;
  readonly clock: Clock;
  /** smtpd_peername_lookup; not called when that is off. */
  readonly clientLookup: (address: string) => MaybeAsync<ClientName>;
  /** Whether a client is in a list such as smtpd_authorized_xclient_hosts, by parameter name. */
  readonly listed: (parameter: ListParameter, client: ListedClient) => MaybeAsync<boolean>;
  /** smtpd_discard_ehlo_keyword_address_maps. */
  readonly discardedKeywords?: (address: string) => MaybeAsync<string | undefined>;
  /** smtpd_command_filter. */
  readonly commandFilter?: (line: string) => MaybeAsync<string | undefined>;
  /** smtpd_noop_commands where it is more than names; the names are in the settings. */
  readonly noopCommand?: (verb: string) => MaybeAsync<boolean>;
  /** smtpd_forbidden_commands where it is more than names and a pattern; asked for commands that are unknown. */
  readonly forbiddenCommand?: (verb: string) => MaybeAsync<boolean>;
  /** Why the queue cannot take a message of that many bytes now; `full` for lack of space (queue_minfree). */
  readonly queueRefusal?: (size: number) => { readonly full: boolean } | undefined;
  /** smtpd_reject_footer. */
  readonly rejectFooter?: (reply: Reply, facts: Facts) => MaybeAsync<Reply>;
  /** For ETRN. Undefined where the session is none of the running service (`sendmail -bs`). */
  readonly flushSite?: FlushSite;
  readonly anvil?: Anvil;
  /** Undefined where TLS is not offered. */
  readonly tls?: ServiceTls;
  /** Undefined: nobody can log in (smtpd_sasl_auth_enable). */
  readonly auth?: AuthServer;
  /** Undefined: failed logins are not counted. */
  readonly logins?: LoginAccount;
  /** Undefined: users have no limits. */
  readonly sending?: SendingAccount;
  readonly probeSender?: ProbeSender;
  /** Undefined: mail of strangers is not checked (mail_authentication). */
  readonly authentication?: MailAuthentication;
  /** The milters of a client, by its address (smtpd_milters, smtpd_milter_maps); undefined where it has none. */
  readonly milters?: (address: string) => MaybeAsync<FilterChain | undefined>;
  /** Where addresses lead: milters are told (`{mail_host}` and its kin). */
  readonly resolve?: Router["resolve"];
  /** Addresses that mynetworks does not count for, though it contains them (trust_container_gateway). */
  readonly untrustedGateways?: readonly string[];
  /** Undefined: nobody wants to hear of sessions (notify_classes). */
  readonly postmaster?: SessionPostmaster;
  /** Hears the code of every reply, for metrics. On the hot path: must not throw or wait. */
  readonly replied?: (code: number) => void;
}

/** Parameters that list clients. */
export type ListParameter =
  | "smtpd_authorized_xclient_hosts"
  | "smtpd_authorized_xforward_hosts"
  | "smtpd_authorized_verp_clients"
  | "smtpd_forbid_bare_newline_exclusions"
  | "smtpd_client_event_limit_exceptions"
  | "login_failure_exceptions";
