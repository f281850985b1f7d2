import { type Address, internalAddress, splitAddress } from "./address.ts";

/** Whether a text is what VERP asks for: two characters out of verp_delimiter_filter (VERP_README). */
export function isVerpDelimiters(text: string, filter: string): boolean {
  return text.length === 2 && [...text].every((each) => filter.includes(each));
}

/** The sender of one recipient's copy: `list@origin` with `+=` becomes `list+user=domain@origin` (VERP_README). */
export function verpSender(sender: Address, delimiters: string, recipient: string): Address {
  const [own, other] = [splitAddress(sender), splitAddress(recipient)];
  const named = other.domain === "" ? other.local : `${other.local}${delimiters[1]}${other.domain}`;
  const local = `${own.local}${delimiters[0]}${named}`;
  return internalAddress(own.domain === "" ? local : `${local}@${own.domain}`);
}
