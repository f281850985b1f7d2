import type { AddressVerifier } from "../access/verifier.ts";
import type { Configuration } from "../config/service.ts";
import type { QueueId } from "../queue/envelope.ts";
import type { QueueStore } from "../queue/store.ts";
import type { WorkerArguments, WorkerVerb } from "./worker_protocol.ts";

/** Sends rows of an answer on; several at a time. */
export type SendRows = (rows: readonly unknown[]) => void;

/** What a worker answers questions with. */
export interface WorkerParts {
  readonly store: QueueStore;
  /** Sends the metrics of now. */
  readonly snapshot: () => void;
  /** Looks into the maildrop now. */
  readonly pickup: () => void;
  /** Lets the queue manager see that something has become due. */
  readonly wake: () => void;
  /** What the worker was started with. */
  readonly configuration: Configuration;
  /** What address probes have found. */
  readonly known: AddressVerifier["known"];
}

type Answer = (parts: WorkerParts, args: WorkerArguments, rows: SendRows) => unknown | Promise<unknown>;

/** Rows in one message to master. */
const BATCH = 200;
/** Bytes of content in one row. */
const PIECE = 48 * 1024;

function idsOf(args: WorkerArguments): readonly QueueId[] | undefined {
  return Array.isArray(args.ids) ? args.ids.filter((id): id is QueueId => typeof id === "string") : undefined;
}

async function list({ store }: WorkerParts, args: WorkerArguments, rows: SendRows): Promise<number> {
  let batch: unknown[] = [];
  let count = 0;
  for await (const row of store.list()) {
    if (args.queue !== undefined && args.queue !== row.queue) continue;
    count++;
    if (batch.push(row) < BATCH) continue;
    rows(batch);
    batch = [];
  }
  rows(batch);
  return count;
}

/** Makes deferred mail for a domain due now (postqueue -s). */
async function flushSite({ store, wake }: WorkerParts, args: WorkerArguments): Promise<number> {
  const site = String(args.site ?? "").toLowerCase();
  const ids: QueueId[] = [];
  for await (const { id, queue, recipients } of store.list()) {
    if (
      queue === "deferred" && recipients.some(({ address }) => address.toLowerCase().endsWith(`@${site}`))
    ) ids.push(id);
  }
  const moved = store.retryNow(ids);
  wake();
  return moved;
}

async function cat({ store }: WorkerParts, args: WorkerArguments, rows: SendRows): Promise<number> {
  const id = String(args.id ?? "");
  for await (const row of store.list()) {
    if (row.id !== id) continue;
    const { envelope, states, content } = await store.open(row.id);
    rows([{ envelope, states, queue: row.queue }]);
    for await (const chunk of content.chunks()) {
      for (let at = 0; at < chunk.length; at += PIECE) {
        rows([{ content: Buffer.from(chunk.subarray(at, at + PIECE)).toString("base64") }]);
      }
    }
    return 1;
  }
  return 0;
}

/** Sessions that are explained at a time: mail goes first. */
const MOST_EXPLAINED = 4;
let explained = 0;

/** `mta explain --running`. */
async function explainFor(
  { configuration, known }: WorkerParts,
  { words }: WorkerArguments,
): Promise<unknown> {
  if (explained >= MOST_EXPLAINED) throw new Error("too many sessions are being explained; try again");
  explained++;
  try {
    const { explainRunning } = await import("./explain_running.ts");
    return await explainRunning(configuration, known, words);
  } finally {
    explained--;
  }
}

function woken(move: (store: QueueStore, ids: readonly QueueId[] | undefined) => number): Answer {
  return ({ store, wake }, args) => {
    const moved = move(store, idsOf(args));
    wake();
    return moved;
  };
}

/** What a worker can be asked, by verb; absent ones are master's own. */
export const WORKER_ANSWERS: Partial<Readonly<Record<WorkerVerb, Answer>>> = {
  list,
  cat,
  counts: ({ store }) => store.counts(),
  explain: explainFor,
  flush: woken((store, ids) => store.retryNow(ids)),
  flush_site: flushSite,
  hold: woken((store, ids) => store.hold(ids)),
  unhold: woken((store, ids) => store.unhold(ids)),
  expire: woken((store, ids) => store.expire(ids)),
  delete: woken((store, ids) => store.delete(ids)),
  requeue: woken((store, ids) => store.unhold(ids) + store.retryNow(ids)),
  pickup: ({ pickup }) => pickup(),
  probe: ({ store }) => store.probe(),
  snapshot: ({ snapshot }) => snapshot(),
};
