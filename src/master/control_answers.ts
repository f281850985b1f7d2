import type { LoginLedger } from "../anvil/login_ledger.ts";
import { Misfit } from "../base/shape.ts";
import { together } from "../flush/flush.ts";
import type { QueueId } from "../queue/envelope.ts";
import { inOrder, type MoveStep } from "../queue/move_shapes.ts";
import { type QueueCounts, QUEUES_IN_ORDER } from "../queue/store.ts";
import { MOST_IDS, type WorkerRow, type WorkerVerb } from "../worker/protocol/worker_verbs.ts";
import type { ControlService } from "./control/control_session.ts";
import { type LogOrigin, MOST_WORDS, words } from "./control/control_verbs.ts";
import { ServiceFault } from "./control/service_fault.ts";
import type { AcmeStatus } from "./control/acme_status.ts";
import type { ServiceStatus } from "./control/service_status.ts";
import { type Holders, moveMessages, takeOver, withSignsOfLife } from "./move_messages.ts";
import { askAll, askInTurn, askLeaving, askOne } from "./queue_questions.ts";

/** What the answers are made of. */
export interface AnswerParts extends Holders {
  readonly status: () => ServiceStatus;
  readonly reload: () => Promise<void>;
  /** Begins to end the service; what is in flight ends first unless `abort`. */
  readonly end: (how: "stop" | "abort") => void;
  readonly metrics: () => Promise<string>;
  readonly acme: {
    readonly status: () => AcmeStatus | undefined;
    readonly renew: () => Promise<AcmeStatus>;
  };
  /** Writes a line of another program's to the log. */
  readonly note: (of: LogOrigin, text: string) => void;
  /** A user's sending is counted anew. */
  readonly forgive: (user: string) => void;
  readonly logins: () => Pick<LoginLedger, "bans" | "lift">;
}

/** Characters of the metrics in one row. */
const PIECE = 32 * 1024;

/** Sends rows of a worker to whoever asked. */
function rowsTo<V extends WorkerVerb>(row: (row: WorkerRow<V>) => Promise<void> | undefined) {
  return async (rows: readonly WorkerRow<V>[]): Promise<void> => {
    for (const each of rows) {
      const wait = row(each);
      if (wait !== undefined) await wait;
    }
  };
}

const sum = (counts: readonly number[]): number => counts.reduce((total, each) => total + each, 0);

function sumOfCounts(all: readonly QueueCounts[]): QueueCounts {
  const of = (name: keyof QueueCounts) => sum(all.map((each) => each[name]));
  return {
    incoming: of("incoming"),
    active: of("active"),
    deferred: of("deferred"),
    hold: of("hold"),
    corrupt: of("corrupt"),
    bytes: of("bytes"),
  };
}

/** Ids as they come, so many at a time. */
async function* batches(ids: AsyncIterable<QueueId>): AsyncGenerator<readonly QueueId[]> {
  let batch: QueueId[] = [];
  for await (const id of ids) {
    if (batch.push(id) < MOST_IDS) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

function optionally(status: AcmeStatus | undefined): { readonly status?: AcmeStatus } {
  return status === undefined ? {} : { status };
}

/** Of the service as a whole. */
function serviceAnswers(parts: AnswerParts) {
  const { serving } = parts;
  const end = (how: "stop" | "abort") => () => Promise.resolve((parts.end(how), null));
  return {
    status: () => Promise.resolve(parts.status()),
    reload: async () => (await parts.reload(), null),
    stop: end("stop"),
    abort: end("abort"),
    acme: () => Promise.resolve({ ...optionally(parts.acme.status()) }),
    acme_renew: async () => ({ status: await parts.acme.renew() }),
    async metrics({ row }) {
      const text = await parts.metrics();
      for (let at = 0; at < text.length; at += PIECE) await row(text.slice(at, at + PIECE));
      return null;
    },
    explain: async ({ items, signal }) =>
      await askOne(serving(), "explain", { words: await wordsOf(items) }, { signal }),
    async log({ args, items }) {
      let written = 0;
      for await (const text of items) {
        parts.note(args, text);
        written++;
      }
      return written;
    },
  } satisfies Partial<ControlService>;
}

/** Of users: whose mail is held, who may not log in. */
function userAnswers(parts: AnswerParts) {
  const { serving } = parts;
  return {
    release: async ({ args, signal }) => {
      parts.forgive(args.user);
      await takeOver(serving(), signal);
      return sum(await askAll(serving(), "release", args, { signal }));
    },
    async bans({ row }) {
      let count = 0;
      for (const ban of parts.logins().bans()) {
        await row(ban);
        count++;
      }
      return count;
    },
    async unban({ args: { all }, items }) {
      const logins = parts.logins();
      if (all === true) return [...logins.bans()].filter(({ what }) => logins.lift(what)).length;
      let lifted = 0;
      for await (const what of items) lifted += logins.lift(what) ? 1 : 0;
      return lifted;
    },
  } satisfies Partial<ControlService>;
}

/** What is read of the queue. */
function lookingAnswers(parts: AnswerParts) {
  const { serving } = parts;
  return {
    async list({ args, row, signal, gently }) {
      let count = 0;
      for (const queue of QUEUES_IN_ORDER) {
        const options = { signal, rows: rowsTo<"list">(row) };
        count += sum(await askLeaving(parts.draining(), "list", { ...args, queue, gently }, options));
        count += sum(await askInTurn(serving(), "list", { ...args, queue, gently }, options));
      }
      return count;
    },
    counts: async ({ signal }) => sumOfCounts(await askAll(serving(), "counts", {}, { signal })),
    async damage({ signal }) {
      const answers = await askAll(serving(), "damage", {}, { signal });
      return { found: answers.flatMap(({ found }) => found ?? []) };
    },
    async cat({ args, row, signal }) {
      const options = { signal, rows: rowsTo<"cat">(row) };
      const left = sum(await askLeaving(parts.draining(), "cat", args, options));
      return left > 0 ? left : sum(await askAll(serving(), "cat", args, options));
    },
    async why({ args, signal }) {
      const left = await askLeaving(parts.draining(), "why", args, { signal });
      const all = left.some(({ found }) => found !== undefined)
        ? left
        : await askAll(serving(), "why", args, { signal });
      return all.find(({ found }) => found !== undefined) ?? {};
    },
  } satisfies Partial<ControlService>;
}

/** What is done to the queue. */
function queueAnswers(parts: AnswerParts) {
  const { serving } = parts;
  return {
    async flush({ args: { all }, items, signal }) {
      if (all === true) return sum(await askAll(serving(), "flush", {}, { signal }));
      let moved = 0;
      for await (const ids of batches(items)) {
        moved += sum(await askAll(serving(), "flush", { ids }, { signal }));
      }
      return moved;
    },
    flush_site: async ({ args, signal }) => together(await askAll(serving(), "flush_site", args, { signal })),
    async move({ args: { all, ...args }, items, row, signal }) {
      await withSignsOfLife(async () => {
        await takeOver(serving(), signal);
        if (all === true) return await moveMessages(parts, args, { signal, rows: rowsTo<"move">(row) });
        for await (const ids of batches(items)) {
          const steps: MoveStep[] = [];
          const rows = (some: readonly MoveStep[]) => void steps.push(...some);
          await moveMessages(parts, { ...args, ids }, { signal, rows });
          for (const step of inOrder(steps, ids)) await row(step);
        }
      }, () => row({ counts: {} }));
      return null;
    },
    pickup: async ({ signal }) => (await askAll(serving(), "pickup", {}, { signal }), null),
  } satisfies Partial<ControlService>;
}

/** Carries out what is asked over the control socket. */
export function controlService(parts: AnswerParts): ControlService {
  return {
    ...serviceAnswers(parts),
    ...userAnswers(parts),
    ...lookingAnswers(parts),
    ...queueAnswers(parts),
  };
}

async function wordsOf(items: AsyncIterable<string>): Promise<readonly string[]> {
  const all: string[] = [];
  for await (const word of items) {
    if (all.push(word) > MOST_WORDS) break;
  }
  const good = words(all);
  if (good instanceof Misfit) throw new ServiceFault("malformed", `a session to be explained: ${good}`);
  return good;
}
