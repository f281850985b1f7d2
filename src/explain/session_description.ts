import { canonicalIp } from "../address/ip.ts";
import { isHostname } from "../address/hostname.ts";
import type { Facts } from "../access/policy.ts";

/** The description makes no session, or not with this configuration: words for the operator. */
export class ExplainFault extends Error {
  override readonly name = "ExplainFault";
}

/** The client of a session to be explained. */
export interface DescribedClient {
  /** Canonical text. */
  readonly address: string;
  readonly port: number;
  /** A verified name, `unknown`, or XCLIENT's `[UNAVAILABLE]` and `[TEMPUNAVAIL]`; left out, the DNS is asked as smtpd asks it. */
  readonly name?: string;
  /** The PTR name, verified or not; only beside `name`, which it is when left out. */
  readonly reverseName?: string;
}

/** A session as the operator describes it (`mta explain`). Addresses are as the client writes them, without brackets. */
export interface SessionDescription {
  /** master.cf's name of the service: `smtp`, `submission`, `127.0.0.1:10025`; the first smtpd when left out. */
  readonly service?: string;
  readonly client: DescribedClient;
  /** Left out, the client says its name or address. */
  readonly helo?: string;
  /** HELO instead of EHLO. */
  readonly smtp?: boolean;
  /** "" is the null sender. */
  readonly sender?: string;
  readonly recipients: readonly string[];
  /** The ETRN command's domain; the session then ends with it. */
  readonly etrn?: string;
  /** Bytes of the message. */
  readonly size?: number;
  readonly login?: { readonly username: string; readonly method: string };
  readonly tls?: NonNullable<Facts["tls"]>;
}

/** How to explain it. */
export interface ExplainOptions {
  /** False: every DNS question is answered with "unknown". */
  readonly dns: boolean;
  /** Policy servers are really asked. */
  readonly askPolicy: boolean;
  /** Look for the smallest edit that turns the outcome round. */
  readonly edits: boolean;
}

/** Recipients of one description; a session of more is none that a person reads. */
const MAX_RECIPIENTS = 100;
/** Longest of its texts (RFC 5321 §4.5.3.1.4, with room for extensions). */
const MAX_TEXT = 1000;

const LINE_BREAKER = /[\x00-\x1f\x7f]/;

/** What is wrong with a description, in words for the operator; undefined when it can be played. */
export function flawOf(session: SessionDescription): string | undefined {
  const { client, recipients, sender, size } = session;
  if (canonicalIp(client.address) !== client.address) return `client: "${client.address}" is no IP address`;
  if (!isPort(client.port)) return `port: "${client.port}" is no port number`;
  for (const name of [client.name, client.reverseName]) {
    if (name !== undefined && !isName(name)) return `client: "${name}" is no host name`;
  }
  if (recipients.length > MAX_RECIPIENTS) return `more than ${MAX_RECIPIENTS} recipients`;
  if (recipients.length > 0 && sender === undefined) {
    return 'recipients without a sender: add --from ADDRESS (--from "" is the null sender)';
  }
  if (size !== undefined && !(Number.isSafeInteger(size) && size >= 0)) return `size: "${size}" is no number`;
  const texts = [session.helo, session.etrn, sender, session.login?.username, ...recipients];
  const odd = texts.find((text) => text !== undefined && (text.length > MAX_TEXT || LINE_BREAKER.test(text)));
  return odd === undefined ? undefined : `"${odd.slice(0, 60)}" is too long, or has control characters`;
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 0 && port <= 65_535;
}

function isName(name: string): boolean {
  return name === "[UNAVAILABLE]" || name === "[TEMPUNAVAIL]" || isHostname(name);
}
