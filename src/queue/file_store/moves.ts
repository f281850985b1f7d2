import { pauseWhenDue } from "../../base/pause_when_due.ts";
import type { QueueId } from "../envelope.ts";
import { type MessageIndex, QUEUE } from "../index/message_index.ts";
import { FLAG } from "../log/record.ts";
import type { Moved, MoveEffect, MoveQueue, QueueMove, Selection, Wanted } from "../store.ts";
import { listStamped } from "./listing.ts";
import type { RecentMessages } from "./recent.ts";
import type { Shard } from "./shard.ts";

/** What the moves need of the store. */
export interface MovesOptions {
  readonly shard: Shard;
  readonly recent: RecentMessages;
  readonly now: () => number;
  /** Messages of one step. */
  readonly step: number;
  /** Resolves when what was changed is durable. */
  readonly flush: () => Promise<void>;
  /** Something is due that was not before. */
  readonly announce: () => void;
  /** What of an active message's run has not begun is not to begin. */
  readonly recall: (id: QueueId, effect: MoveEffect) => void;
}

/** A step is not waited for longer than this, however little is in it: who asked hears that it goes on. In milliseconds. */
const SIGN_OF_LIFE = 1000;

/** What a move does to a message with these flags. */
const EFFECTS: Readonly<Record<QueueMove, (flags: number) => readonly MoveEffect[]>> = {
  hold: (flags) => (flags & (FLAG.hold | FLAG.requeue)) === 0 ? ["held"] : [],
  unhold: released,
  expire: expired,
  expireAndUnhold: (flags) => [...expired(flags), ...released(flags)],
  delete: () => ["deleted"],
  requeue: (flags) => (flags & FLAG.requeue) === 0 ? ["requeued"] : [],
};

const isDue = (effect: MoveEffect) => effect === "released" || effect === "requeued";

function released(flags: number): readonly MoveEffect[] {
  return (flags & FLAG.hold) === 0 ? [] : ["released"];
}

function expired(flags: number): readonly MoveEffect[] {
  return (flags & (FLAG.expire | FLAG.requeue)) === 0 ? ["expired"] : [];
}

/**
 * What postsuper(1) does to messages, some at a time: a step is durable before it is told and before the next one begins, so that what
 * it takes of memory and of the disk's attention does not grow with the queue.
 */
export class Moves {
  readonly #options: MovesOptions;

  constructor(options: MovesOptions) {
    this.#options = options;
  }

  async *move(move: QueueMove, selection: Selection): AsyncGenerator<readonly Moved[]> {
    const { dryRun = false } = selection;
    for await (const slotsNow of this.#steps(selection)) {
      const slots = slotsNow();
      const moved = dryRun ? slots.flatMap((slot) => this.#effects(move, slot)) : this.#moveAll(move, slots);
      // Also where nothing was changed: what was already so may not be durable yet.
      if (!dryRun && slots.length > 0) await this.#options.flush();
      try {
        yield moved;
      } finally {
        if (!dryRun && moved.some(({ effect }) => isDue(effect))) this.#options.announce();
      }
      const pause = pauseWhenDue();
      if (pause !== undefined) await pause;
    }
  }

  #effects(move: QueueMove, slot: number): Moved[] {
    const { index } = this.#options.shard;
    const id = index.idOf(slot);
    return EFFECTS[move](index.flags[slot]!).map((effect) => ({ id, effect }));
  }

  #moveAll(move: QueueMove, slots: Iterable<number>): Moved[] {
    const all: Moved[] = [];
    for (const slot of slots) {
      if (move === "hold") this.#claim(slot);
      for (const moved of this.#effects(move, slot)) {
        this.#apply(moved, slot);
        all.push(moved);
      }
    }
    return all;
  }

  /** What an operator wants held, he alone lets go, though it was held already for a user's sending limit. */
  #claim(slot: number): void {
    const { shard: { index, outcomes } } = this.#options;
    if ((index.flags[slot]! & (FLAG.hold | FLAG.byOperator)) !== FLAG.hold) return;
    index.flags[slot]! |= FLAG.byOperator;
    outcomes.touch(slot);
  }

  #apply({ id, effect }: Moved, slot: number): void {
    const { shard, recent, now, recall } = this.#options;
    const { index, outcomes } = shard;
    const isActive = index.queue[slot] === QUEUE.active;
    if (isActive && effect !== "expired" && effect !== "released") recall(id, effect);
    if (effect === "deleted") {
      recent.drop(slot);
      return shard.remove(slot);
    }
    CHANGES[effect](index, slot, now());
    if (effect === "held") recent.drop(slot);
    outcomes.touch(slot);
  }

  /**
   * The messages that a selection means, some at a time, each step as a function that says at once which slots they have: until it is
   * asked they may leave. What comes into the queue meanwhile is not among them.
   */
  async *#steps({ ids, queues, wanted = {} }: Selection): AsyncGenerator<() => readonly number[]> {
    const { shard: { index }, step: size } = this.#options;
    const isIn = (slot: number) => isWanted(index, slot, wanted) && isInOne(index, slot, queues);
    if (ids !== undefined) {
      for (let at = 0; at < ids.length; at += size) {
        const some = ids.slice(at, at + size);
        yield () => found(some, index).filter(isIn);
      }
      return;
    }
    const stamps = index.stamps();
    const isMeant = (slot: number) => index.stamp[slot] === stamps[slot] && isIn(slot);
    const steps = wanted.matches === undefined
      ? inSteps(stamps.length, size, isMeant)
      : this.#matching(wanted, stamps);
    for await (const slots of steps) yield () => slots.filter(isMeant);
  }

  /** Those that have to be read to be judged. */
  async *#matching(wanted: Wanted, stamps: Uint32Array): AsyncGenerator<readonly number[]> {
    const { shard, step: size, now } = this.#options;
    let step: number[] = [];
    let since = now();
    for await (const row of listStamped(shard, stamps, wanted)) {
      if (wanted.matches?.(row) !== false) step.push(shard.index.find(row.id));
      if (step.length < size && Math.abs(now() - since) < SIGN_OF_LIFE) continue;
      yield step;
      step = [];
      since = now();
    }
    yield step;
  }
}

/** The slots below a number that are meant, some at a time. */
function* inSteps(
  count: number,
  size: number,
  isMeant: (slot: number) => boolean,
): Generator<readonly number[]> {
  let step: number[] = [];
  for (let slot = 0; slot < count; slot++) {
    if (!isMeant(slot) || step.push(slot) < size) continue;
    yield step;
    step = [];
  }
  yield step;
}

function found(ids: readonly QueueId[], index: MessageIndex): readonly number[] {
  return [...new Set(ids.map((id) => index.find(id)))].filter((slot) => slot >= 0);
}

/** Whether a message is in a queue and of an age that is wanted. */
function isWanted(index: MessageIndex, slot: number, { queues, before }: Wanted): boolean {
  if (index.queue[slot] === QUEUE.free) return false;
  if (before !== undefined && index.arrival[slot]! > before) return false;
  return queues?.includes(index.queueName(slot)) !== false;
}

/** Whether a message is in one of the queues as postsuper(1) knows them. */
function isInOne(index: MessageIndex, slot: number, queues: readonly MoveQueue[] | undefined): boolean {
  if (queues === undefined) return true;
  return queues.includes((index.flags[slot]! & FLAG.requeue) === 0 ? index.queueName(slot) : "maildrop");
}

/** What the effects are, in the index. An active message goes where it belongs when its run ends. */
const CHANGES: Readonly<
  Record<Exclude<MoveEffect, "deleted">, (index: MessageIndex, slot: number, now: number) => void>
> = {
  held(index, slot) {
    index.flags[slot]! |= FLAG.hold | FLAG.byOperator;
    if (index.queue[slot] !== QUEUE.active) index.move(slot, QUEUE.hold);
  },
  /** Its time is the one that it had, as in Postfix. */
  released(index, slot) {
    index.flags[slot]! &= ~(FLAG.hold | FLAG.byOperator);
    if (index.queue[slot] === QUEUE.hold) toDeferred(index, slot, index.due[slot]!);
  },
  expired(index, slot) {
    index.flags[slot]! |= FLAG.expire;
  },
  requeued(index, slot, now) {
    index.flags[slot] = (index.flags[slot]! | FLAG.requeue) & ~(FLAG.hold | FLAG.byOperator);
    if (index.queue[slot] !== QUEUE.active) toDeferred(index, slot, now);
  },
};

function toDeferred(index: MessageIndex, slot: number, due: number): void {
  index.flags[slot]! |= FLAG.deferred;
  index.move(slot, QUEUE.deferred, due);
}
