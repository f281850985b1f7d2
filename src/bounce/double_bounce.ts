import { type Address, internalAddress } from "../address/address.ts";

/** The sender of notices for the postmaster, whose failure nobody is told of (double_bounce_sender). */
export function doubleBounceAddress(
  { double_bounce_sender: sender, myhostname }: {
    readonly double_bounce_sender: string;
    readonly myhostname: string;
  },
): Address {
  return internalAddress(sender.includes("@") ? sender : `${sender}@${myhostname}`);
}
