import { type Address, internalAddress } from "./address.ts";
import { isAsciiHostname } from "./hostname.ts";

/**
 * The address of a `mailto:` URI (RFC 6068 §2), as records in the DNS name places for reports: a plain address alone. Header fields behind
 * it are not for others to set and are passed over; undefined for all else.
 */
export function mailtoAddress(uri: string): Address | undefined {
  if (!/^mailto:/i.test(uri)) return undefined;
  const [address = ""] = uri.slice("mailto:".length).trim().split("?", 1);
  const plain = address.replace(
    /%([0-9a-f]{2})/gi,
    (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const domain = PLAIN.exec(plain)?.[1];
  return domain !== undefined && isAsciiHostname(domain) ? internalAddress(plain) : undefined;
}

const PLAIN = /^[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@([A-Za-z0-9.-]+)$/;
