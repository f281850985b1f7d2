import type { ClientFacts } from "../access/policy.ts";
import type { MaybeAsync } from "../base/maybe_async.ts";
import type { AuthExchange, AuthTls, DialogueTexts } from "../sasl/auth_backend.ts";
import type { Endpoint } from "../platform/socket/connection.ts";

/** A client of AUTH, as it is known now. An address may be `unknown` (XCLIENT). */
export interface AuthPeer {
  readonly client: Endpoint;
  readonly server: Endpoint;
  readonly tls: AuthTls | undefined;
  /** How long it may wait for its turn, in the order of those who wait (login_failure_limit). */
  readonly rank?: 0 | 1 | 2;
}

/** What a session may log in with. Shared by all sessions that may use the same. */
export interface AuthOffer {
  /** Upper case; what smtpd_sasl_mechanism_filter leaves out is only not announced. */
  readonly mechanisms: ReadonlySet<string>;
  /** What EHLO says: `PLAIN LOGIN`. */
  readonly announced: string;
}

/** Nobody can log in, and the service cannot be what its configuration says: Postfix's smtpd ends there. */
export interface NoOffer {
  readonly warnings: readonly string[];
  readonly fatal: string;
}

/** AUTH of a service (smtpd_sasl_auth_enable). */
export interface AuthServer {
  readonly texts: DialogueTexts;
  offer(peer: AuthPeer): MaybeAsync<AuthOffer | NoOffer>;
  /** Begins an exchange with a mechanism of the offer. */
  begin(mechanism: string, peer: AuthPeer): AuthExchange;
  /** smtpd_sasl_exceptions_networks; undefined where the list cannot be asked, which the log has been told. */
  isExcepted(client: Pick<ClientFacts, "name" | "address">): MaybeAsync<boolean | undefined>;
}
