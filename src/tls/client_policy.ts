import type { Association } from "./x509/association.ts";
import type { PublishedPolicy } from "./published_policy.ts";

/** Security levels of the client, from nothing to all (postconf(5), smtp_tls_security_level). */
export const CLIENT_LEVELS = [
  "none",
  "may",
  "encrypt",
  "fingerprint",
  "halfdane",
  "dane",
  "dane-only",
  "verify",
  "secure",
] as const;

/** One of them. `halfdane`: TLSA records of a host that was found without DNSSEC. */
export type ClientLevel = (typeof CLIENT_LEVELS)[number];

/** What a policy table says for a destination, before main.cf's own settings fill in the rest. */
export interface PolicyDraft {
  readonly level: ClientLevel;
  /** A table has said so; else it is the level of all. */
  readonly isGiven: boolean;
  /** The sender would rather have no TLS than no delivery: nothing is looked up that could ask for more (RFC 8689 §5). */
  readonly isLimited?: true;
  readonly protocols?: string;
  readonly ciphers?: string;
  readonly exclude?: string;
  readonly match?: readonly string[];
  readonly associations?: readonly Association[];
  readonly serverName?: string;
  readonly connectionReuse?: boolean;
  readonly saysUntrusted?: boolean;
  /** What the domain itself demands: MTA-STS, from a table or found by us. */
  readonly published?: PublishedPolicy;
  /** The web's authorities vouch: the system's, beside those of main.cf (RFC 8461 §4.2). */
  readonly webPki?: boolean;
}

/** What is demanded of TLS with one server. All that tells one policy from another is in it. */
export interface ClientTlsPolicy {
  readonly level: ClientLevel;
  /** A protocol list, as written (`>=TLSv1.2`). */
  readonly protocols: string;
  /** A cipher grade. */
  readonly ciphers: string;
  /** Lists of what is taken from the grade. */
  readonly exclude: readonly string[];
  /** Words of a match list (`nexthop`, `.example.com`); empty where no name is asked for. */
  readonly match: readonly string[];
  /** Fingerprints, trust anchors or TLSA records: where there are any they alone vouch. */
  readonly associations: readonly Association[];
  /** The name to ask for (SNI), or `hostname`, `nexthop`; "" for none. */
  readonly serverName: string;
  /** Connections under it may serve another delivery (smtp_tls_connection_reuse). */
  readonly connectionReuse: boolean;
  /** The log tells why a certificate is not trusted, though the level does not ask for that any more (unusable TLSA records). */
  readonly saysUntrusted?: boolean;
  readonly published: PublishedPolicy | undefined;
  readonly webPki: boolean;
}

/** The server that a policy is for. */
export interface PolicySubject {
  /** The next hop as written: `example.com`, `[mail.example.com]:587`. */
  readonly nexthop: string;
  /** The next hop without brackets and port. */
  readonly domain: string;
  readonly host: string;
  /** 0 for a socket of this machine. */
  readonly port: number;
}

/** Why a server is not spoken to: status and text of what becomes of the mail. */
export interface PolicyFault {
  readonly status: string;
  readonly text: string;
  /** What the log says instead, where it has words of its own for it. */
  readonly logged?: string;
  /** What the domain demands, and the server does not do. */
  readonly published?: PublishedPolicy;
}

/** An answer, and what the operator is to be told about it. */
export interface Warned<T> {
  readonly is: T;
  readonly warnings: readonly string[];
}

/** Status and text of a policy that makes no sense; what is wrong with it is in the log. */
export const CONFIGURATION_PROBLEM: PolicyFault = {
  status: "4.7.5",
  text: "client TLS configuration problem",
};

/** Tells a fault from a policy. */
export function isPolicyFault(answer: PolicyFault | PolicyDraft | ClientTlsPolicy): answer is PolicyFault {
  return "status" in answer;
}

const rank = (level: ClientLevel) => CLIENT_LEVELS.indexOf(level);

/** Whether mail may go out in the clear where there is no TLS. */
export function isOptional(level: ClientLevel): boolean {
  return rank(level) <= rank("may");
}

/** Whether the server's certificate must be the right one. */
export function mustMatch(level: ClientLevel): boolean {
  return rank(level) > rank("encrypt");
}

/** Whether TLSA records alone vouch for the server. */
export function isDane(level: ClientLevel): boolean {
  return level === "dane" || level === "dane-only" || level === "halfdane";
}

/** The level of that name, in any case. */
export function clientLevel(name: string): ClientLevel | undefined {
  const lower = name.toLowerCase();
  return lower === "halfdane" ? undefined : CLIENT_LEVELS.find((level) => level === lower);
}
