import { isAddressLiteral } from "./host_address.ts";
import { isHostname } from "./hostname.ts";
import { asciiDomain } from "./idna.ts";

/** Whether a text names a site that mail can wait for: a host name, or an address literal in brackets (ETRN, `postqueue -s`). */
export function isSite(name: string): boolean {
  return name.startsWith("[") ? name.endsWith("]") && isAddressLiteral(name.slice(1, -1)) : isHostname(name);
}

/** The one form of a domain's name that stands for the site: ASCII, in lower case. */
export function siteName(domain: string): string {
  return asciiDomain(domain).toLowerCase();
}
