import type { WorkerArgs, WorkerResult, WorkerVerb } from "../worker/worker_verbs.ts";
import { ServiceFault } from "./control/service_fault.ts";
import type { AskOptions, WorkerProcess } from "./worker_process.ts";

/** How long a worker may be silent, in milliseconds: a long listing trickles, a hung worker must not hang the tool. */
const PATIENCE = 120_000;

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
  return await (worker ?? nobody()).ask(verb, args, { ...options, timeout: PATIENCE });
}

/** Asks every worker: each acts on its own shard of the queue. */
export async function askAll<V extends WorkerVerb>(
  workers: readonly WorkerProcess[],
  verb: V,
  args: WorkerArgs<V>,
  options: QuestionOptions<V> = {},
): Promise<readonly WorkerResult<V>[]> {
  if (workers.length === 0) nobody();
  return await Promise.all(workers.map((each) => each.ask(verb, args, { ...options, timeout: PATIENCE })));
}
