import { splitAddress } from "../../address/address.ts";
import { siteName } from "../../address/site.ts";
import { pauseWhenDue } from "../../base/pause_when_due.ts";
import type { QueueId } from "../envelope.ts";
import { QUEUE } from "../index/message_index.ts";
import { siteKey } from "../index/site_index.ts";
import { findListing } from "./listing.ts";
import type { Shard } from "./shard.ts";

/** What it needs of the store. */
export interface OperatorOptions {
  readonly shard: Shard;
  readonly now: () => number;
  /** Something is due that was not before. */
  readonly announce: () => void;
}

/** What postqueue(1) does to messages: answers how many it touched; without ids it is for all. */
export class Operator {
  readonly #options: OperatorOptions;

  constructor(options: OperatorOptions) {
    this.#options = options;
  }

  /** Not written down: after a crash the old due time holds. */
  retryNow(ids?: readonly QueueId[]): number {
    let count = 0;
    for (const slot of this.#slots(ids)) if (this.#makeDue(slot)) count++;
    if (count > 0) this.#options.announce();
    return count;
  }

  /** A message for several sites is due when somebody at this one still waits. */
  async retrySite(site: string): Promise<number> {
    const { shard, announce } = this.#options;
    const { index } = shard;
    let count = 0;
    for (const slot of index.sites?.slotsOf(siteKey(siteName(site))) ?? []) {
      if (index.queue[slot] !== QUEUE.deferred) continue;
      const stamp = index.stamp[slot];
      const waits = !index.sites!.hasSeveral(slot) || await waitsFor(shard, slot, site);
      if (waits && index.stamp[slot] === stamp && this.#makeDue(slot)) count++;
      const pause = pauseWhenDue();
      if (pause !== undefined) await pause;
    }
    if (count > 0) announce();
    return count;
  }

  #makeDue(slot: number): boolean {
    const { shard: { index }, now } = this.#options;
    if (index.queue[slot] !== QUEUE.deferred) return false;
    index.move(slot, QUEUE.deferred, Math.min(now(), index.due[slot]!));
    return true;
  }

  #slots(ids: readonly QueueId[] | undefined): Iterable<number> {
    const { index } = this.#options.shard;
    if (ids === undefined) return index.slots();
    return new Set(ids.map((id) => index.find(id)).filter((slot) => slot >= 0));
  }
}

async function waitsFor(shard: Shard, slot: number, site: string): Promise<boolean> {
  const listing = await findListing(shard, shard.index.idOf(slot));
  const name = siteName(site);
  return listing?.recipients.some(({ address }) => siteName(splitAddress(address).domain) === name) ?? false;
}
