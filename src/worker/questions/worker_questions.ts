import { systemClock } from "../../base/clock.ts";
import type { QueueRow } from "../../master/control/queue_rows.ts";
import { ServiceFault } from "../../master/control/service_fault.ts";
import type { QueueId } from "../../queue/envelope.ts";
import type { QueueListing, QueueStore } from "../../queue/store.ts";
import { wanted } from "../../queue/filter/wanted.ts";
import { move, release } from "./queue_moves.ts";
import { listingPace } from "./listing_pace.ts";
import { whyWaiting } from "../../master/control/why_waiting.ts";
import { messagePieces, queueRows } from "../../master/control/queue_rows_of.ts";
import { RowBatch } from "./row_batch.ts";
import type { SendRows, WorkerParts } from "./worker_parts.ts";
import type { Ids, WorkerArgs, WorkerResult, WorkerVerb } from "../protocol/worker_verbs.ts";

type Answer<V extends WorkerVerb> = (
  parts: WorkerParts,
  args: WorkerArgs<V>,
  rows: SendRows<V>,
  /** Throws when nobody waits for the answer any more. */
  stillAsked: () => void,
) => WorkerResult<V> | Promise<WorkerResult<V>>;

/**
 * Right after a reload or a crash messages wait for their adoption, in nobody's listing: whoever is asked takes over first what nobody
 * has.
 */
async function takeOver(store: QueueStore): Promise<void> {
  await store.adoptOrphans().catch(() => {}); // it is closing, or will try again
}

/** A listing that finds nothing for so many milliseconds says that it is still there. */
const SIGN_OF_LIFE = 20_000;

async function list(
  { store }: WorkerParts,
  { queue, filter = {}, gently }: WorkerArgs<"list">,
  rows: SendRows<"list">,
  stillAsked: () => void,
): Promise<number> {
  const asked = wanted(filter, systemClock.now());
  if (asked.queues?.includes(queue) === false) return 0;
  await takeOver(store);
  const pace = listingPace(gently === true);
  let said = performance.now();
  const batch = new RowBatch<QueueRow>((each) => (said = performance.now(), rows(each)));
  const pause = () => {
    stillAsked();
    if (performance.now() - said > SIGN_OF_LIFE) return (said = performance.now(), rows([]));
    return pace.pause();
  };
  try {
    let count = 0;
    for await (const listing of store.list({ ...asked, queues: [queue], pause })) {
      count++;
      for (const row of queueRows(listing)) await batch.add(row);
    }
    await batch.end();
    return count;
  } finally {
    pace.end();
  }
}

/** Makes deferred mail due now, whatever is known against its destinations (postqueue -f, -i); with -f what was submitted meanwhile, too. */
async function flush({ flushes, pickup }: WorkerParts, { ids }: Ids): Promise<number> {
  const moved = await flushes.messages(ids);
  if (ids === undefined) pickup();
  return moved;
}

async function findOrTakeOver(store: QueueStore, id: QueueId): Promise<QueueListing | undefined> {
  const found = await store.find(id);
  if (found !== undefined) return found;
  await takeOver(store);
  return await store.find(id);
}

async function cat(
  { store }: WorkerParts,
  { id }: WorkerArgs<"cat">,
  rows: SendRows<"cat">,
): Promise<number> {
  const listing = await findOrTakeOver(store, id);
  if (listing === undefined) return 0;
  const batch = new RowBatch(rows);
  for await (const piece of messagePieces(await store.open(id), listing.queue)) await batch.add(piece);
  await batch.end();
  return 1;
}

async function why(
  { store, look, configuration }: WorkerParts,
  { id }: WorkerArgs<"why">,
): Promise<WorkerResult<"why">> {
  const row = await findOrTakeOver(store, id);
  if (row === undefined) return {};
  const { settings: lifetimes } = configuration;
  return { found: whyWaiting(row, await store.open(id), { lifetimes, active: look(id) }) };
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

function nothing(act: (parts: WorkerParts) => void): (parts: WorkerParts) => null {
  return (parts) => (act(parts), null);
}

/** What a worker can be asked. */
export const WORKER_ANSWERS: { readonly [V in WorkerVerb]: Answer<V> } = {
  list,
  cat,
  why,
  counts: ({ store }) => store.counts(),
  explain: explainFor,
  flush,
  flush_site: ({ flushes }, { site }) => flushes.site(site),
  release,
  adopt: ({ store }) => store.adoptOrphans(),
  move,
  pickup: nothing(({ pickup }) => pickup()),
  probe: ({ store }) => store.probe(),
  damage: async ({ store }) => {
    const found = await store.damage();
    return found === undefined ? {} : { found };
  },
  snapshot: async ({ snapshot }) => (await snapshot(), null),
};
