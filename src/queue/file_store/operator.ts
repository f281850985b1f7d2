import { splitAddress } from "../../address/address.ts";
import { siteName } from "../../address/site.ts";
import { pauseWhenDue } from "../../base/pause_when_due.ts";
import type { QueueId } from "../envelope.ts";
import { QUEUE } from "../index/message_index.ts";
import type { RecentMessages } from "./recent.ts";
import { siteKey } from "../index/site_index.ts";
import { findListing } from "./listing.ts";
import { FLAG } from "../log/record.ts";
import type { Shard } from "./shard.ts";

/** What the operator's moves need of the store. */
export interface OperatorOptions {
  readonly shard: Shard;
  readonly recent: RecentMessages;
  readonly now: () => number;
  /** Something was changed that has to be written. */
  readonly changed: () => void;
  /** Something is due that was not before. */
  readonly announce: () => void;
}

/** What postsuper(1) and postqueue(1) do to messages. Each move answers how many it touched; without ids it is for all. */
export class Operator {
  readonly #options: OperatorOptions;

  constructor(options: OperatorOptions) {
    this.#options = options;
  }

  hold(ids?: readonly QueueId[]): number {
    const { shard: { index }, recent } = this.#options;
    return this.#mark(ids, (slot) => {
      if ((index.flags[slot]! & FLAG.hold) !== 0) return false;
      index.flags[slot]! |= FLAG.hold;
      if (index.queue[slot] !== QUEUE.active) index.move(slot, QUEUE.hold);
      recent.drop(slot);
      return true;
    });
  }

  unhold(ids?: readonly QueueId[]): number {
    const { shard: { index }, now, announce } = this.#options;
    const count = this.#mark(ids, (slot) => {
      if ((index.flags[slot]! & FLAG.hold) === 0) return false;
      index.flags[slot]! &= ~FLAG.hold;
      if (index.queue[slot] === QUEUE.hold) {
        index.flags[slot]! |= FLAG.deferred;
        index.move(slot, QUEUE.deferred, now());
      }
      return true;
    });
    if (count > 0) announce();
    return count;
  }

  expire(ids?: readonly QueueId[]): number {
    const { index } = this.#options.shard;
    return this.#mark(ids, (slot) => {
      if ((index.flags[slot]! & FLAG.expire) !== 0) return false;
      index.flags[slot]! |= FLAG.expire;
      return true;
    });
  }

  delete(ids?: readonly QueueId[]): number {
    const { shard, recent } = this.#options;
    return this.#each(ids, (slot) => {
      recent.drop(slot);
      shard.remove(slot);
      return true;
    });
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

  #mark(ids: readonly QueueId[] | undefined, change: (slot: number) => boolean): number {
    const { outcomes } = this.#options.shard;
    return this.#each(ids, (slot) => {
      const changed = change(slot);
      if (changed) outcomes.touch(slot);
      return changed;
    });
  }

  #each(ids: readonly QueueId[] | undefined, change: (slot: number) => boolean): number {
    let count = 0;
    for (const slot of this.#slots(ids)) if (change(slot)) count++;
    if (count > 0) this.#options.changed();
    return count;
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
