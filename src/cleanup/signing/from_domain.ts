import { addressesIn } from "../../address/address_list.ts";
import { splitAddress } from "../../address/address.ts";
import { isHostname } from "../../address/hostname.ts";
import { asciiDomain } from "../../address/idna.ts";
import { fromBytesText } from "../latin1.ts";
import { fieldName } from "./signing_settings.ts";

/**
 * The domain in whose name a message is signed: that of the first address of From:, in lower case and ASCII, as those who check look
 * for it (RFC 9989). Undefined where there is none.
 */
export function fromDomain(fields: readonly string[], addressLimit: number): string | undefined {
  const from = fields.find((field) => fieldName(field) === "from");
  if (from === undefined) return undefined;
  const [address] = addressesIn(from.slice(from.indexOf(":") + 1), addressLimit);
  if (address === undefined) return undefined;
  const domain = asciiDomain(fromBytesText(splitAddress(address).domain)).toLowerCase().replace(/\.$/, "");
  return domain !== "" && isHostname(domain) ? domain : undefined;
}
