import { isHostAddress } from "../../address/host_address.ts";

/** A domain and its parents, as keys: these with their leading dot, or without where `parentMatches`. */
export function parentKeys(domain: string, parentMatches: boolean): string[] {
  const keys = [domain];
  for (let dot = domain.indexOf(".", 1); dot >= 0; dot = domain.indexOf(".", dot + 1)) {
    const key = domain.slice(parentMatches ? dot + 1 : dot);
    if (key !== "") keys.push(key);
  }
  return keys;
}

/** A domain and its parents, as keys; an IP address has no parents (access(5), HOST NAME/ADDRESS PATTERNS). */
export function domainKeys(domain: string, parentMatches: boolean): string[] {
  if (domain === "") return [];
  return isHostAddress(domain) ? [domain] : parentKeys(domain, parentMatches);
}

/** An address and the networks it is in, by cutting octets or groups off its text (access(5)). */
export function addressKeys(address: string): string[] {
  const keys = [address];
  const separator = address.includes(":") ? ":" : ".";
  for (let cut = address.lastIndexOf(separator); cut > 0; cut = address.lastIndexOf(separator, cut - 1)) {
    keys.push(address.slice(0, cut));
  }
  return keys;
}
