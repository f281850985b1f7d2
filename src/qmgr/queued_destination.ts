import { Heap, type HeapItem } from "../base/heap.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";
import { newWindow, type Window, type WindowLimits } from "./feedback.ts";
import type { ActiveMessage } from "./active_message.ts";

/** Where a transport delivers to: a next hop, or one recipient of it. */
export interface Destination extends HeapItem {
  readonly key: string;
  readonly nexthop: string;
  window: Window;
  /** Deliveries that are under way. */
  running: number;
  readonly jobs: Heap<Job>;
  /** Not before this turn: moves on with each delivery, so that destinations take turns. */
  turn: number;
  /** Why it is not tried before `until` (qmgr(8): delivery temporarily suspended). */
  dead: { readonly detail: RecipientDetail; readonly until: number } | undefined;
  /** Rate delay: nothing before this time. */
  pausedUntil: number;
  /** The heap it stands in: the ready or the paused ones. */
  home: Heap<Destination> | undefined;
}

/** A destination that nothing is known of. */
export function newDestination(
  key: string,
  nexthop: string,
  limits: WindowLimits,
  turn: number,
): Destination {
  return {
    key,
    nexthop,
    window: newWindow(limits),
    running: 0,
    jobs: new Heap<Job>(jobBefore),
    turn,
    dead: undefined,
    pausedUntil: 0,
    home: undefined,
    heapAt: -1,
  };
}

/** The turn of a destination's next delivery. */
export function turnOf(destination: Destination): number {
  const first = destination.jobs.peek();
  return first === undefined ? Infinity : Math.max(first.turn, destination.turn);
}

/** Whether `a` is served before `b`. */
export function destinationBefore(a: Destination, b: Destination): boolean {
  const [first, second] = [turnOf(a), turnOf(b)];
  if (first !== second) return first < second;
  return (a.jobs.peek()?.order ?? 0) < (b.jobs.peek()?.order ?? 0);
}

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
  /** Of those, how many are with an agent. */
  withAgent: number;
  /** When its next delivery is due, in turns of the transport. */
  turn: number;
  /** Order of creation: first come, first served among equal turns. */
  readonly order: number;
}

/** Whether `a` goes before `b` to their destination. */
export function jobBefore(a: Job, b: Job): boolean {
  return a.turn !== b.turn ? a.turn < b.turn : a.order < b.order;
}
