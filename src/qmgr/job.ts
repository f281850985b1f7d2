import type { HeapItem } from "../base/heap.ts";
import type { ActiveMessage } from "./active_message.ts";
import type { Destination } from "./queued_destination.ts";

/** A message's share of a transport: hands out turns, so that its hundredth delivery waits for others' first. */
export interface Share {
  readonly message: ActiveMessage;
  /** The turn of its latest delivery or job. */
  turn: number;
}

/** The recipients of one message that wait for one destination. */
export interface Job extends HeapItem {
  readonly share: Share;
  readonly destination: Destination;
  /** Indexes in the envelope; those before `next` have been handed out. */
  readonly recipients: readonly number[];
  next: number;
  /** When its next delivery is due, in turns of the transport. */
  turn: number;
  /** Order of creation: first come, first served among equal turns. */
  readonly order: number;
}

/** Whether `a` goes before `b` to their destination. */
export function jobBefore(a: Job, b: Job): boolean {
  return a.turn !== b.turn ? a.turn < b.turn : a.order < b.order;
}
