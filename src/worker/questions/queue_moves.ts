import { systemClock } from "../../base/clock.ts";
import type { QueueId } from "../../queue/envelope.ts";
import { wanted } from "../../queue/filter/wanted.ts";
import { EFFECT_WORDS, stepOf } from "../../queue/move_shapes.ts";
import type { Moved, QueueStore } from "../../queue/store.ts";
import type { WorkerArgs } from "../protocol/worker_verbs.ts";
import type { SendRows, WorkerParts } from "./worker_parts.ts";

/** What an operator does to messages (postsuper(1)); whoever goes away ends it after the current step. */
export async function move(
  { store, log }: WorkerParts,
  { move, ids, queues, filter = {}, dryRun = false, each = false }: WorkerArgs<"move">,
  rows: SendRows<"move">,
): Promise<null> {
  const selection = { ids, queues, wanted: wanted(filter, systemClock.now()), dryRun };
  for await (const moved of store.move(move, selection)) {
    if (each && !dryRun) {
      for (const { id, effect } of moved) {
        log.emit("postsuper", "superintended", { id, effect: EFFECT_WORDS[effect] });
      }
    }
    await rows([stepOf(moved, each)]);
  }
  return null;
}

/** Held messages that are looked at before they are let go. */
const TOGETHER = 500;

/**
 * Lets go what was held for a user's sending limits (`mta user release`), and nothing that was held for another reason, nor what an
 * operator wants to stay.
 */
export async function release(
  { store }: WorkerParts,
  { user }: WorkerArgs<"release">,
): Promise<number> {
  let moved = 0;
  let ids: QueueId[] = [];
  for await (const { id } of store.list({ queues: ["hold"] })) {
    if (!await isOverLimit(store, id, user) || ids.push(id) < TOGETHER) continue;
    moved += await letGo(store, ids);
    ids = [];
  }
  return moved + await letGo(store, ids);
}

async function isOverLimit(store: QueueStore, id: QueueId, user: string): Promise<boolean> {
  const { envelope: { overLimit, origin }, heldByOperator } = await store.open(id);
  return overLimit === true && heldByOperator !== true && origin.saslUsername?.toLowerCase() === user;
}

async function letGo(store: QueueStore, ids: readonly QueueId[]): Promise<number> {
  const all: Moved[] = [];
  for await (const moved of store.move("unhold", { ids })) all.push(...moved);
  return all.length;
}
