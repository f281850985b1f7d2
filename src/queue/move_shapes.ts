import { count, dictionary, list, oneOf, optional, pair, record, type Shape } from "../base/shape.ts";
import { queueId } from "./queue_shapes.ts";
import type { Moved, MoveEffect, MoveQueue, QueueMove } from "./store.ts";
import type { QueueId } from "./envelope.ts";

export const queueMove: Shape<QueueMove> = oneOf(
  "hold",
  "unhold",
  "expire",
  "expireAndUnhold",
  "delete",
  "requeue",
);

export const moveQueue: Shape<MoveQueue> = oneOf("incoming", "active", "deferred", "hold", "maildrop");

const moveEffect: Shape<MoveEffect> = oneOf("held", "released", "expired", "deleted", "requeued");

/** What postsuper(1) says of a message. */
export const EFFECT_WORDS: Readonly<Record<MoveEffect, string>> = {
  held: "placed on hold",
  released: "released from hold",
  expired: "expired",
  deleted: "removed",
  requeued: "requeued",
};

/** A step of a move that is over and durable, as it travels. */
export interface MoveStep {
  /** Messages by what became of them. */
  readonly counts: Readonly<Record<string, number>>;
  /** Each of them, where that is wanted. */
  readonly each?: readonly (readonly [id: QueueId, effect: MoveEffect])[];
}

/** Most messages of one step, with two effects each. */
const MOST = 2000;

export const moveStep: Shape<MoveStep> = record<MoveStep>({
  counts: dictionary(count, 10),
  each: optional(list(pair(queueId, moveEffect), MOST)),
});

/** A step for its way to whoever asked. */
export function stepOf(moved: readonly Moved[], each: boolean): MoveStep {
  const counts: Record<string, number> = {};
  for (const { effect } of moved) counts[effect] = (counts[effect] ?? 0) + 1;
  return { counts, ...(each && { each: moved.map(({ id, effect }) => [id, effect] as const) }) };
}

/** Steps of several holders of messages, their messages in the order in which they were asked for, those of one id as they are. */
export function inOrder(steps: readonly MoveStep[], ids: readonly QueueId[]): readonly MoveStep[] {
  if (steps.length < 2 || steps.some(({ each }) => each === undefined)) return steps;
  const place = new Map(ids.map((id, at) => [id, at]));
  const each = steps.flatMap((step) => step.each ?? []);
  each.sort(([one], [other]) => place.get(one)! - place.get(other)!);
  return [stepOf(each.map(([id, effect]) => ({ id, effect })), true)];
}
