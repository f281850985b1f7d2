import {
  count,
  finite,
  flag,
  list,
  oneOf,
  optional,
  record,
  type Shape,
  tagged,
  text,
} from "../../base/shape.ts";
import { type AcmeStatus, acmeStatus } from "../control/acme_status.ts";

/** What the process that keeps the certificate is told at its start. */
export interface AcmeBoot {
  readonly is: "boot";
  readonly names: readonly string[];
  /** acme_directory. */
  readonly directory: string;
  readonly agrees: boolean;
  readonly emails: readonly string[];
  /** acme_ca_file. */
  readonly caFile: string;
  /** Its bytes, one a character, where the process may not read it. */
  readonly caLent?: string;
  readonly dataDirectory: string;
  readonly nameServers: readonly string[];
  readonly families: readonly number[];
  /** How many listening sockets it inherits for the authority's visits by HTTP, and behind them for those by TLS. */
  readonly listeners: number;
  readonly tlsListeners: number;
  /** The names are proven by TLS (acme_tls_listen), not by HTTP. */
  readonly byTls: boolean;
}

/** master to the process. */
export type ToAcme =
  | AcmeBoot
  /** Order now, whatever is due. */
  | { readonly is: "renew" };

/** The process to master. */
export type FromAcme =
  /** What is answered for a token now; nothing when it is over. */
  | { readonly is: "challenge"; readonly token: string; readonly answer?: string }
  | { readonly is: "status"; readonly status: AcmeStatus }
  /** A line for the log. */
  | { readonly is: "said"; readonly warning: boolean; readonly text: string }
  | { readonly is: "bug"; readonly what: string };

/** Longest message of the process to master, in bytes. */
export const LONGEST_OF_ACME = 64 * 1024;

type To<Is extends ToAcme["is"]> = Extract<ToAcme, { readonly is: Is }>;
type From<Is extends FromAcme["is"]> = Extract<FromAcme, { readonly is: Is }>;

const WORD = text(4096);
const MANY = 1000;
const LARGEST_CA = 4 << 20;

/** A message of master. */
export const toAcme: Shape<ToAcme> = tagged<ToAcme, "is">("is", {
  boot: record<To<"boot">>({
    is: oneOf("boot"),
    names: list(WORD, MANY),
    directory: WORD,
    agrees: flag,
    emails: list(WORD, MANY),
    caFile: WORD,
    caLent: optional(text(LARGEST_CA)),
    dataDirectory: WORD,
    nameServers: list(WORD, MANY),
    families: list(finite, 2),
    listeners: count,
    tlsListeners: count,
    byTls: flag,
  }),
  renew: record<To<"renew">>({ is: oneOf("renew") }),
});

/** A message of the process, which runs as mail_owner: it is checked like a stranger's. */
export const fromAcme: Shape<FromAcme> = tagged<FromAcme, "is">("is", {
  challenge: record<From<"challenge">>({
    is: oneOf("challenge"),
    token: text(200),
    answer: optional(text(1024)),
  }),
  status: record<From<"status">>({ is: oneOf("status"), status: acmeStatus }),
  said: record<From<"said">>({ is: oneOf("said"), warning: flag, text: text(4096) }),
  bug: record<From<"bug">>({ is: oneOf("bug"), what: text(16 * 1024) }),
});
