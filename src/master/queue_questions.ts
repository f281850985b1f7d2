import type { WorkerArgs, WorkerResult, WorkerVerb } from "../worker/protocol/worker_verbs.ts";
import { OWNERSHIP } from "../queue/file_store/open_store.ts";
import { ServiceFault } from "./control/service_fault.ts";
import type { WorkerProcess } from "./worker_process.ts";
import type { AskOptions } from "./worker_question.ts";

/** How long a worker may be silent, in milliseconds: a long listing trickles, a hung worker must not hang the tool. */
const TIME_LIMIT = 120_000;

/** How workers are asked. */
export type QuestionOptions<V extends WorkerVerb> = Omit<AskOptions<V>, "timeout">;

function nobody(): never {
  throw new ServiceFault("unavailable", "no worker is serving at the moment; try again");
}

/** Asks one worker: what it is asked has one answer, whoever gives it. */
export async function askOne<V extends WorkerVerb>(
  [worker]: readonly WorkerProcess[],
  verb: V,
  args: WorkerArgs<V>,
  options: QuestionOptions<V> = {},
): Promise<WorkerResult<V>> {
  return await (worker ?? nobody()).ask(verb, args, { ...options, timeout: TIME_LIMIT });
}

/** Asks whoever has messages of his own: every worker, or one where all have the same. */
export async function askAll<V extends WorkerVerb>(
  workers: readonly WorkerProcess[],
  verb: V,
  args: WorkerArgs<V>,
  options: QuestionOptions<V> = {},
): Promise<readonly WorkerResult<V>[]> {
  const asked = owners(workers);
  return await Promise.all(asked.map((each) => each.ask(verb, args, { ...options, timeout: TIME_LIMIT })));
}

/** Asks the same one after another: rows that belong together come together. */
export async function askInTurn<V extends WorkerVerb>(
  workers: readonly WorkerProcess[],
  verb: V,
  args: WorkerArgs<V>,
  options: QuestionOptions<V> = {},
): Promise<readonly WorkerResult<V>[]> {
  const results: WorkerResult<V>[] = [];
  for (const each of owners(workers)) {
    results.push(await each.ask(verb, args, { ...options, timeout: TIME_LIMIT }));
  }
  return results;
}

/**
 * Asks workers that are about to leave, one after another. One that leaves in the middle has handed its messages on, and those that stay
 * are asked next.
 */
export async function askLeaving<V extends WorkerVerb>(
  workers: readonly WorkerProcess[],
  verb: V,
  args: WorkerArgs<V>,
  options: QuestionOptions<V> = {},
): Promise<readonly WorkerResult<V>[]> {
  const results: WorkerResult<V>[] = [];
  for (const each of OWNERSHIP === "worker" ? workers : []) {
    try {
      results.push(await each.ask(verb, args, { ...options, timeout: TIME_LIMIT }));
    } catch (error) {
      if (options.signal?.aborted) throw error;
    }
  }
  return results;
}

function owners(workers: readonly WorkerProcess[]): readonly WorkerProcess[] {
  if (workers.length === 0) nobody();
  return OWNERSHIP === "worker" ? workers : workers.slice(0, 1);
}
