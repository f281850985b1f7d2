import { printTxt } from "../../mailauth/dkim/signing_key.ts";

const ALL = /^[+?~-]?all$/i;
const REDIRECT = /^redirect=/i;

const mechanism = (address: string) => `${address.includes(":") ? "ip6" : "ip4"}:${address}`;

/** An SPF record that has these addresses, too: before `all`, or else before a redirect (RFC 7208 §5.1, §6.1). */
export function spfWith(text: string, addresses: readonly string[]): string {
  const terms = text.split(" ").filter((term) => term !== "");
  const end = terms.findIndex((term) => ALL.test(term));
  const redirect = terms.findIndex((term) => REDIRECT.test(term));
  const at = end >= 0 ? end : redirect >= 0 ? redirect : terms.length;
  return [...terms.slice(0, at), ...addresses.map(mechanism), ...terms.slice(at)].join(" ");
}

/** The first record of a domain that sends from these addresses alone; the operator fills in what is not known. */
export function newSpf(addresses: readonly string[]): string {
  const allowed = addresses.length === 0 ? ["ip4:ADDRESS"] : addresses.map(mechanism);
  return ["v=spf1", ...allowed, "-all"].join(" ");
}

/** A TXT record as a zone file has it. */
export function txtRecord(name: string, text: string): string {
  return `${name}. TXT ${printTxt(text)}`;
}
