import type { MaybeAsync } from "../base/maybe_async.ts";

/** What a mechanism is like, in the words of smtpd_sasl_security_options: `noplaintext` shuts out those that are `plaintext`. */
export type MechanismProperty =
  | "plaintext"
  | "active"
  | "dictionary"
  | "anonymous"
  | "forward_secrecy"
  | "mutual_auth";

/** A mechanism that a back end can run. */
export interface OfferedMechanism {
  /** Upper case, as the IANA registry has it. */
  readonly name: string;
  readonly properties: readonly MechanismProperty[];
}

/** Data that ties an exchange to the TLS connection it runs over (RFC 5929, RFC 9266). */
export type ChannelBinding = "tls-exporter" | "tls-server-end-point";

/** What a mechanism may know of the TLS connection. */
export interface AuthTls {
  /** Undefined where the connection does not have it. */
  readonly channelBinding: (type: ChannelBinding) => Buffer | undefined;
  /** The client's certificate, only if it is trusted: the name that EXTERNAL takes for a login. */
  readonly certificateUser: string | undefined;
}

/** What a back end may know of the session; all of it as it is now, after XCLIENT and STARTTLS. */
export interface AuthSession {
  /** smtpd_sasl_service. */
  readonly service: string;
  /** smtpd_sasl_local_domain; "" for none. */
  readonly realm: string;
  readonly myhostname: string;
  /** An address is "" where it is not known. */
  readonly client: { readonly address: string; readonly port: number };
  readonly server: { readonly address: string; readonly port: number };
  /** Undefined in the clear. */
  readonly tls: AuthTls | undefined;
  /** Whose password is compared first where several wait: 0, then 1 (the default), then 2. */
  readonly rank?: 0 | 1 | 2 | undefined;
}

/**
 * What an exchange answers to a response. What is secret stands in none of it. A `reason` is for the client and the log: it must be the
 * same for an unknown user and a wrong password. `warnings` are lines for the log alone.
 */
export type AuthStep =
  /** The client is to answer this; an empty one is `334 ` all the same. */
  | { readonly is: "challenge"; readonly challenge: Buffer }
  | { readonly is: "done"; readonly username: string }
  | {
    readonly is: "failed";
    /** "" where nobody tells. */
    readonly reason: string;
    /** The user who was tried, as far as that is known (for the log). */
    readonly username?: string | undefined;
    /** Nobody could be asked: 454 instead of 535. */
    readonly temporary?: boolean;
    readonly warnings?: readonly string[];
  };

/** One AUTH command's exchange. */
export interface AuthExchange {
  /**
   * The first call has the initial response: undefined where the client sent none, empty where it sent `=`. Calls never overlap, and none
   * follows on `done` or `failed`. Never rejects but for our own bug.
   */
  step(response: Buffer | undefined): MaybeAsync<AuthStep>;
  /** The client has given up or is gone; a step under way may still answer, to nobody. */
  abort(): void;
}

/** What a back end offers. */
export type Offer =
  | { readonly is: "mechanisms"; readonly mechanisms: readonly OfferedMechanism[] }
  /** Nobody could be asked; the warnings say why. */
  | { readonly is: "trouble"; readonly warnings: readonly string[] };

/** What failures of the dialogue itself are called: Postfix has them from its plug-ins. */
export interface DialogueTexts {
  readonly badInitialResponse: string;
  readonly badContinuedResponse: string;
  readonly unknownMechanism: string;
}

/** Who logs in (smtpd_sasl_type): one for each service and worker, shared by its sessions. */
export interface AuthBackend {
  readonly texts: DialogueTexts;
  /** Everything it can run for such a session; what security options and filters forbid is taken out elsewhere. */
  offer(session: AuthSession): MaybeAsync<Offer>;
  /** Begins an exchange with a mechanism that was offered (upper case). */
  begin(mechanism: string, session: AuthSession): AuthExchange;
  close(): void;
}

/** What Postfix's Dovecot plug-in says, and ours. */
export const DIALOGUE_TEXTS: DialogueTexts = {
  badInitialResponse: "Invalid base64 data in initial response",
  badContinuedResponse: "Invalid base64 data in continued response",
  unknownMechanism: "Invalid authentication mechanism",
};
