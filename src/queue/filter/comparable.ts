import { splitAddress } from "../../address/address.ts";
import { asciiDomain } from "../../address/idna.ts";

const ASCII = /^[\x00-\x7f]*$/;

/** A domain as two of them are compared: lower case, the ASCII form of an international one (RFC 5891 §4). */
export function comparableDomain(domain: string): string {
  const lower = domain.toLowerCase();
  if (ASCII.test(lower) || lower.includes("*")) return lower;
  const below = lower.startsWith(".");
  const ascii = asciiDomain(below ? lower.slice(1) : lower);
  if (ascii === "") return lower;
  return below ? `.${ascii}` : ascii;
}

/** An internal-form address as two of them are compared; as in Postfix's tables case says nothing. */
export function comparableAddress(address: string): string {
  if (ASCII.test(address)) return address.toLowerCase();
  const { local, domain } = splitAddress(address);
  return domain === "" ? local.toLowerCase() : `${local.toLowerCase()}@${comparableDomain(domain)}`;
}
