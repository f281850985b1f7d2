import { deliveryOrder } from "../address/address.ts";
import type { ActiveMessage } from "./active_message.ts";

/** Puts the recipients of one delivery in order of domain, then address, as Postfix's queue manager hands them out. */
export function sortRecipients(indexes: number[], { envelope }: ActiveMessage): void {
  if (indexes.length < 2) return;
  const keys = new Map(
    indexes.map((index) => [index, deliveryOrder(envelope.recipients[index]!.address)] as const),
  );
  indexes.sort((a, b) => {
    const [first, second] = [keys.get(a)!, keys.get(b)!];
    return first < second ? -1 : first > second ? 1 : a - b;
  });
}
