import { splitAddress } from "../../address/address.ts";
import type { ArcResult } from "../arc/arc_result.ts";
import type { AuthProperty, AuthResult } from "../auth_result.ts";
import type { DkimResult } from "../dkim/dkim_result.ts";
import type { DmarcResult } from "../dmarc/dmarc_result.ts";
import type { SpfResult } from "../spf/spf_result.ts";

/** What is known of a message that has been checked. */
export interface CheckedMessage {
  readonly clientAddress: string;
  readonly helo: string;
  /** MAIL FROM, in internal form. */
  readonly sender: string;
  readonly spf?: SpfResult;
  readonly dkim: readonly DkimResult[];
  readonly arc: ArcResult;
  readonly dmarc: DmarcResult;
  /** Why a message that fails counts as one that passes (trusted_forwarders). */
  readonly override?: string;
}

/** Of a longer sender only the domain is told. */
const LONG = 250;

/** What stands in a header, one character a byte, as text. */
const textOf = (bytes: string) => Buffer.from(bytes, "latin1").toString("utf8");

const property = (type: AuthProperty["type"], name: string, value: string): AuthProperty[] =>
  value === "" ? [] : [{ type, name, value }];

function spfOf({ spf, sender, helo }: CheckedMessage): AuthResult[] {
  if (spf === undefined) return [];
  const comment = spf.why ?? (spf.mechanism === undefined ? undefined : `${spf.domain}: ${spf.mechanism}`);
  const properties = spf.identity === "mailfrom" && sender !== ""
    ? property("smtp", "mailfrom", sender.length > LONG ? `@${splitAddress(sender).domain}` : sender)
    : property("smtp", "helo", helo);
  return [{ method: "spf", result: spf.is, ...(comment !== undefined && { comment }), properties }];
}

function dkimOf({ dkim }: CheckedMessage): AuthResult[] {
  if (dkim.length === 0) return [{ method: "dkim", result: "none", properties: [] }];
  return dkim.map(({ is, domain, selector, identity, algorithm, keyBits, b, why }) => {
    const said = [keyBits === undefined ? undefined : `${keyBits}-bit key`, why].filter((each) =>
      each !== undefined
    );
    return {
      method: "dkim",
      result: is,
      ...(said.length > 0 && { comment: said.join(", ") }),
      properties: [
        ...property("header", "d", domain),
        ...property("header", "i", textOf(identity)),
        ...property("header", "s", selector),
        ...property("header", "a", algorithm),
        ...property("header", "b", b),
      ],
    };
  });
}

/** Of a message without a chain there is nothing to say. */
function arcOf({ arc, clientAddress }: CheckedMessage): AuthResult[] {
  if (arc.is === "none") return [];
  const [newest] = arc.links;
  const comment = arc.why ?? (newest === undefined ? undefined : `i=${newest.instance} d=${newest.domain}`);
  return [{
    method: "arc",
    result: arc.is,
    ...(comment !== undefined && { comment }),
    properties: [
      ...property("smtp", "remote-ip", clientAddress),
      ...(arc.oldestPass === undefined ? [] : property("header", "oldest-pass", `${arc.oldestPass}`)),
    ],
  }];
}

function dmarcOf({ dmarc, override }: CheckedMessage): AuthResult {
  const { is, record, source, policy, domain, why } = dmarc;
  const asked = record === undefined ? undefined : `p=${record.p} sp=${record.sp} np=${record.np}`;
  const comment = why ?? asked;
  return {
    method: "dmarc",
    result: override === undefined ? is : "pass",
    ...(comment !== undefined && { comment }),
    ...(override !== undefined && { reason: override }),
    properties: [
      ...property("header", "from", domain),
      ...(source === undefined ? [] : property("policy", "dmarc", policy)),
    ],
  };
}

/** The results that Authentication-Results tells, in the order in which they were found (RFC 8601 §2.7). */
export function resultsOf(message: CheckedMessage): readonly AuthResult[] {
  return [...spfOf(message), ...dkimOf(message), ...arcOf(message), dmarcOf(message)];
}
