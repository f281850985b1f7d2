import type { Clock } from "../base/clock.ts";
import type { QueueId } from "../queue/envelope.ts";

/** Between two attempts, in milliseconds: twice as long each time. */
const [SHORTEST, LONGEST] = [1000, 60_000];
/** When so many wait, nothing more is taken. */
const MOST = 10_000;

interface Wait {
  readonly due: number;
  readonly pause: number;
}

/** Files in custody whose messages are not in the queue yet: those whose turn it is, and those that wait for a time. */
export class WaitingDrops {
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #waits = new Map<QueueId, Wait>();
  #ready: QueueId[] = [];
  #cancel: (() => void) | undefined;
  #timer = Infinity;

  /** `wake` is called when the time of some has come. */
  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock;
    this.#wake = wake;
  }

  get isFull(): boolean {
    return this.#waits.size >= MOST;
  }

  /** Puts one in whose turn it is. */
  add(id: QueueId): void {
    this.#ready.push(id);
  }

  /** Takes one whose turn it is. */
  next(): QueueId | undefined {
    return this.#ready.pop();
  }

  /** Puts one back after an attempt in vain; answers for how many seconds, and whether for the first time. */
  again(id: QueueId): { readonly seconds: number; readonly isFirst: boolean } {
    const before = this.#waits.get(id)?.pause ?? 0;
    const pause = Math.min(Math.max(before * 2, SHORTEST), LONGEST);
    const due = this.#clock.now() + pause;
    this.#waits.set(id, { due, pause });
    this.#wakeAt(due);
    return { seconds: Math.round(pause / 1000), isFirst: before === 0 };
  }

  /** It is dealt with. */
  forget(id: QueueId): void {
    this.#waits.delete(id);
  }

  #wakeAt(time: number): void {
    if (time >= this.#timer) return;
    this.#cancel?.();
    this.#timer = time;
    this.#cancel = this.#clock.after(time - this.#clock.now(), () => this.#gather());
  }

  #gather(): void {
    const now = this.#clock.now();
    let next = this.#timer = Infinity;
    for (const [id, wait] of this.#waits) {
      if (wait.due > now) next = Math.min(next, wait.due);
      else {
        this.#ready.push(id);
        this.#waits.set(id, { ...wait, due: Infinity }); // until it is put back
      }
    }
    if (next < Infinity) this.#wakeAt(next);
    this.#wake();
  }

  stop(): void {
    this.#cancel?.();
  }
}
