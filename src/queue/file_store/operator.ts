import { splitAddress } from "../../address/address.ts";
import { siteName } from "../../address/site.ts";
import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
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
  retryNow(ids?: readonly QueueId[]): Promise<number> {
    return this.#retry(this.#slots(ids), () => true);
  }

  /** A message for several sites is due when somebody at this one still waits. */
  async retrySite(site: string): Promise<number> {
    const { shard } = this.#options;
    const { sites } = shard.index;
    if (sites === undefined) return 0;
    const key = siteKey(siteName(site));
    return await this.#retry(
      sites.slotsOf(key),
      // Another message may have come into the slot meanwhile.
      (slot) => sites.has(slot, key) && (!sites.hasSeveral(slot) || waitsFor(shard, slot, site)),
    );
  }

  /** A million messages are not made due in one go: mail that comes meanwhile is not to wait. */
  async #retry(slots: Iterable<number>, isMeant: (slot: number) => MaybeAsync<boolean>): Promise<number> {
    const { shard: { index }, announce } = this.#options;
    let count = 0;
    for (const slot of slots) {
      const pause = pauseWhenDue();
      if (pause !== undefined) {
        if (count > 0) announce();
        await pause;
      }
      if (index.queue[slot] !== QUEUE.deferred) continue;
      const stamp = index.stamp[slot];
      const meant = isMeant(slot);
      if (!(isPromise(meant) ? await meant : meant) || index.stamp[slot] !== stamp) continue;
      if (this.#makeDue(slot)) count++;
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
