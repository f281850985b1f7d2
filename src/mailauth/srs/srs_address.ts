import { type Address, internalAddress, splitAddress } from "../../address/address.ts";
import { asciiDomain } from "../../address/idna.ts";
import { isSrsHash, srsHash } from "./srs_hash.ts";
import type { SrsRules } from "./srs_rules.ts";
import { srsAge, srsTimestamp } from "./srs_timestamp.ts";

/** A longer path no server has to take (RFC 5321 §4.5.3.1.3, without its angle brackets). */
const LONGEST = 254;

/** `SRS0=HASH=DAY=domain=local`: of the first host that forwards. */
const FIRST = /^SRS0[=+-]([^=]*)=([^=]*)=([^=]*)=(.+)$/is;
/** `SRS1=HASH=domain==HASH=DAY=...`: further hosts name the first one, and keep what it wrote. */
const FURTHER = /^SRS1[=+-]([^=]*)=([^=]+)=([=+-].+)$/is;
/** Whatever claims to be one or the other. */
const CLAIMS = /^SRS[01][=+-]/i;

/** Whether an address is one that only a host which forwards mail would make. */
export function claimsSrs(address: string): boolean {
  return CLAIMS.test(address);
}

/**
 * The sender of a message that is forwarded, as the next host is to see it: an address in our domain that leads back to the sender.
 * One that another host has rewritten becomes SRS1, which leads to that host, however many there have been. Undefined for the null
 * sender, for an address literal (anybody would get a way to hosts inside), and where the address would be too long for mail.
 */
export function srsForward(sender: Address, rules: SrsRules, now: number): Address | undefined {
  const { local, domain: given } = splitAddress(sender);
  const domain = asciiDomain(given);
  if (local === "" || domain === "" || isLiteral(domain)) return undefined;
  const made = internalAddress(`${forwardLocal(local, domain, rules, now)}@${rules.domain}`);
  return Buffer.byteLength(made) > LONGEST ? undefined : made;
}

const isLiteral = (domain: string) => domain.startsWith("[");

function forwardLocal(local: string, domain: string, rules: SrsRules, now: number): string {
  const { separator } = rules;
  const [, , first, rest] = FURTHER.exec(local) ?? [];
  if (first !== undefined && rest !== undefined && !isLiteral(first)) {
    return further(first, rest, rules);
  }
  if (FIRST.test(local)) return further(domain, local.slice("SRS0".length), rules);
  const day = srsTimestamp(now);
  return `SRS0${separator}${srsHash(rules, [day, domain, local])}=${day}=${domain}=${local}`;
}

function further(host: string, rest: string, rules: SrsRules): string {
  return `SRS1${rules.separator}${srsHash(rules, [host, rest])}=${host}=${rest}`;
}

/** Where an address leads back to. `plain`: it claims nothing of the kind. */
export type SrsReverse =
  | { readonly is: "plain" }
  | { readonly is: "address"; readonly address: Address }
  | { readonly is: "refused"; readonly why: "expired" | "forged" };

const PLAIN: SrsReverse = { is: "plain" };
const FORGED: SrsReverse = { is: "refused", why: "forged" };
const EXPIRED: SrsReverse = { is: "refused", why: "expired" };

/** Whom mail is for whose recipient has this local part; that it is in `rules.domain` is for the caller to see. */
export function srsReverse(local: string, rules: SrsRules, now: number): SrsReverse {
  if (!claimsSrs(local)) return PLAIN;
  const [, hash, host, rest] = FURTHER.exec(local) ?? [];
  if (hash !== undefined && host !== undefined && rest !== undefined) {
    return isSrsHash(hash, rules, [host, rest]) ? found(`SRS0${rest}@${host}`) : FORGED;
  }
  return reverseFirst(local, rules, now);
}

function reverseFirst(local: string, rules: SrsRules, now: number): SrsReverse {
  const [, hash, day, domain, user] = FIRST.exec(local) ?? [];
  if (hash === undefined || day === undefined || domain === undefined || user === undefined) return FORGED;
  const age = srsAge(day, now);
  if (age === undefined || domain === "" || !isSrsHash(hash, rules, [day, domain, user])) return FORGED;
  return age > rules.maximumAge ? EXPIRED : found(`${user}@${domain}`);
}

function found(address: string): SrsReverse {
  return { is: "address", address: internalAddress(address) };
}
