import { systemClock } from "../../base/clock.ts";
import type { AddressVerifier } from "../../access/verifier.ts";
import type { Configuration } from "../../config/service.ts";
import type { FlushSite } from "../../flush/flush.ts";
import { ServiceFault } from "../../master/control/service_fault.ts";
import type { QueueId } from "../../queue/envelope.ts";
import { wanted } from "../../queue/filter/wanted.ts";
import type { QueueStore } from "../../queue/store.ts";
import { messagePieces, queueRows } from "./queue_rows_of.ts";
import { RowBatch } from "./row_batch.ts";
import type { Ids, WorkerArgs, WorkerResult, WorkerRow, WorkerVerb } from "../protocol/worker_verbs.ts";

/** What a worker answers questions with. */
export interface WorkerParts {
  readonly store: QueueStore;
  /** Sends the metrics of now. */
  readonly snapshot: () => Promise<void>;
  /** Looks into the maildrop now. */
  readonly pickup: () => void;
  /** Lets the queue manager see that something has become due. */
  readonly wake: () => void;
  /** Lets the queue manager try again what it knows to be dead. */
  readonly forgetDead: () => void;
  readonly flushSite: FlushSite;
  /** What the worker was started with. */
  readonly configuration: Configuration;
  /** What address probes have found. */
  readonly known: AddressVerifier["known"];
}

/** Sends rows of an answer on, several at a time; resolves when more are wanted, rejects when nobody waits any more. */
export type SendRows<V extends WorkerVerb> = (rows: readonly WorkerRow<V>[]) => Promise<void>;

type Answer<V extends WorkerVerb> = (
  parts: WorkerParts,
  args: WorkerArgs<V>,
  rows: SendRows<V>,
) => WorkerResult<V> | Promise<WorkerResult<V>>;

async function list(
  { store }: WorkerParts,
  { queue, filter = {} }: WorkerArgs<"list">,
  rows: SendRows<"list">,
): Promise<number> {
  const asked = wanted(filter, systemClock.now());
  if (asked.queues?.includes(queue) === false) return 0;
  const batch = new RowBatch(rows);
  let count = 0;
  for await (const listing of store.list({ ...asked, queues: [queue] })) {
    count++;
    for (const row of queueRows(listing)) await batch.add(row);
  }
  await batch.end();
  return count;
}

/** Makes deferred mail due now, whatever is known against its destinations (postqueue -f, -i); with -f what was submitted meanwhile, too. */
async function flush({ store, forgetDead, pickup, wake }: WorkerParts, { ids }: Ids): Promise<number> {
  forgetDead();
  const moved = await store.retryNow(ids);
  wake();
  if (ids === undefined) pickup();
  return moved;
}

/** Lets go what was held for a user's sending limits (`mta user release`), and nothing that was held for another reason. */
async function release({ store, wake }: WorkerParts, { user }: WorkerArgs<"release">): Promise<number> {
  const ids: QueueId[] = [];
  for await (const { id } of store.list({ queues: ["hold"] })) {
    const { overLimit, origin } = (await store.open(id)).envelope;
    if (overLimit && origin.saslUsername?.toLowerCase() === user) ids.push(id);
  }
  const moved = ids.length === 0 ? 0 : await store.unhold(ids);
  wake();
  return moved;
}

async function cat(
  { store }: WorkerParts,
  { id }: WorkerArgs<"cat">,
  rows: SendRows<"cat">,
): Promise<number> {
  const listing = await store.find(id);
  if (listing === undefined) return 0;
  const batch = new RowBatch(rows);
  for await (const piece of messagePieces(await store.open(id), listing.queue)) await batch.add(piece);
  await batch.end();
  return 1;
}

/** Sessions that are explained at a time: mail goes first. */
const MOST_EXPLAINED = 4;
let explained = 0;

/** `mta explain --running`. */
async function explainFor(
  { configuration, known }: WorkerParts,
  { words }: WorkerArgs<"explain">,
): Promise<WorkerResult<"explain">> {
  if (explained >= MOST_EXPLAINED) {
    throw new ServiceFault("busy", "too many sessions are being explained; try again");
  }
  explained++;
  try {
    const { explainRunning } = await import("../explain_running.ts");
    return await explainRunning(configuration, known, words);
  } finally {
    explained--;
  }
}

function woken(
  move: (store: QueueStore, ids: readonly QueueId[] | undefined) => Promise<number>,
): (parts: WorkerParts, args: Ids) => Promise<number> {
  return async ({ store, wake }, { ids }) => {
    const moved = await move(store, ids);
    wake();
    return moved;
  };
}

function nothing(act: (parts: WorkerParts) => void): (parts: WorkerParts) => null {
  return (parts) => (act(parts), null);
}

/** What a worker can be asked. */
export const WORKER_ANSWERS: { readonly [V in WorkerVerb]: Answer<V> } = {
  list,
  cat,
  counts: ({ store }) => store.counts(),
  explain: explainFor,
  flush,
  flush_site: ({ flushSite }, { site }) => flushSite(site),
  release,
  hold: woken((store, ids) => store.hold(ids)),
  unhold: woken((store, ids) => store.unhold(ids)),
  expire: woken((store, ids) => store.expire(ids)),
  delete: woken((store, ids) => store.delete(ids)),
  requeue: woken(async (store, ids) => await store.unhold(ids) + await store.retryNow(ids)),
  pickup: nothing(({ pickup }) => pickup()),
  probe: ({ store }) => store.probe(),
  damage: async ({ store }) => {
    const found = await store.damage();
    return found === undefined ? {} : { found };
  },
  snapshot: async ({ snapshot }) => (await snapshot(), null),
};
