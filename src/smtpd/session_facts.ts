import type { ClientFacts, Facts } from "../access/policy.ts";
import type { ClientName } from "../dns/reverse.ts";
import type { Connection, Endpoint } from "../platform/socket/connection.ts";
import type { FilterChain } from "../milter/filter_chain.ts";
import type { AuthTls } from "../sasl/auth_backend.ts";
import type { Handshake } from "../tls/handshake.ts";
import type { AuthOffer } from "./auth_server.ts";
import type { EhloKeyword } from "../smtp/ehlo_keywords.ts";

/** A client without any name. */
export const NAMELESS: ClientName = {
  name: "unknown",
  reverseName: "unknown",
  nameStatus: 5,
  reverseNameStatus: 5,
};

/** What the client said of itself. */
export interface Hello {
  readonly name: string;
  readonly esmtp: boolean;
}

/** Who logged in, by AUTH or XCLIENT LOGIN. */
export interface Login {
  readonly method: string;
  readonly username: string;
}

/** The handshake as restrictions see it, and as Received headers tell of it. */
export interface SessionTls extends NonNullable<Facts["tls"]> {
  readonly handshake: Handshake;
}

/** Whether a login tells who the client is: an anonymous one does not (RFC 4505). */
export function isSomebody(login: Login | undefined): boolean {
  return login !== undefined && login.method.toLowerCase() !== "anonymous";
}

/** What the client's upstream told by XFORWARD; undefined for what it said is not available. */
export type Forwarded = Readonly<Record<string, string | undefined>>;

/** What is known of a session whatever phase it is in. It is never changed, only replaced: a step may bring other facts. */
export interface SessionFacts {
  readonly client: ClientFacts;
  /** Where the client connected to, or says that it did (XCLIENT DESTADDR, DESTPORT). */
  readonly server: Endpoint;
  /** The real TCP peer, whatever XCLIENT says. */
  readonly peer: Endpoint;
  /** What the handshake was; undefined in the clear. */
  readonly tls: SessionTls | undefined;
  /** The same for mechanisms that look at it. */
  readonly authTls: AuthTls | undefined;
  readonly hello: Hello | undefined;
  /** ESMTP after EHLO. */
  readonly esmtp: boolean;
  readonly login: Login | undefined;
  /** What AUTH may use; undefined where it may not, and while nobody has asked yet. */
  readonly offer: AuthOffer | undefined;
  readonly forwarded: Forwarded | undefined;
  /** Whether the client has sent ahead where it may not (SMTPD_FLAG_ILL_PIPELINING's role). */
  readonly pipelinedEarly: boolean;
  /** EHLO keywords kept from this client: their parameters are unknown to it. */
  readonly withheld: ReadonlySet<EhloKeyword>;
  /** The log does not hear of them (silent-discard). */
  readonly withheldSilently: boolean;
  /** The table of keywords could not be asked: EHLO ends the session. */
  readonly keywordsUnknown: boolean;
  /** The client is in smtpd_forbid_bare_newline_exclusions, or the check is off. */
  readonly lenientNewlines: boolean;
  /** The range of addresses that anvil counts it under; undefined for who is not counted (smtpd_client_event_limit_exceptions). */
  readonly countedAs: string | undefined;
  /** Connections of the client, this one among them; 0 where they are not counted. */
  readonly connections: number;
  /** Those who see the client's commands and mail (smtpd_milters). */
  readonly milters: FilterChain | undefined;
}

const NONE_WITHHELD: ReadonlySet<EhloKeyword> = new Set();

/** A client before its name is looked up. */
function clientOf({ address, port }: Endpoint): ClientFacts {
  const { name, reverseName, nameStatus, reverseNameStatus } = NAMELESS;
  return {
    address: address === "" ? "unknown" : address,
    port,
    name,
    reverseName,
    nameStatus,
    reverseNameStatus,
  };
}

/** What is known once TLS has begun: nothing that the client said in the clear (RFC 3207 §4.2). */
export function encryptedFacts(facts: SessionFacts, tls: SessionTls, authTls: AuthTls): SessionFacts {
  return {
    ...facts,
    tls,
    authTls,
    hello: undefined,
    esmtp: false,
    login: undefined,
    offer: undefined,
    forwarded: undefined,
  };
}

/** What is known when a client has connected. */
export function connectFacts({ local, remote }: Connection): SessionFacts {
  return {
    client: clientOf(remote),
    server: local,
    peer: remote,
    tls: undefined,
    authTls: undefined,
    hello: undefined,
    esmtp: false,
    login: undefined,
    offer: undefined,
    forwarded: undefined,
    pipelinedEarly: false,
    withheld: NONE_WITHHELD,
    withheldSilently: false,
    keywordsUnknown: false,
    lenientNewlines: false,
    countedAs: undefined,
    connections: 0,
    milters: undefined,
  };
}
