import type { ControlRequest, Verb } from "./control/control_protocol.ts";
import type { WorkerProcess } from "./worker_process.ts";

/** How long a worker may take to answer, in milliseconds: a long listing trickles, a hung worker must not hang the tool. */
const PATIENCE = 120_000;

/** Numbers are added up, objects number by number; the first answer stands where there is nothing to add. */
export function addUp(values: readonly unknown[]): unknown {
  return values.reduce((left, right) => {
    if (typeof left === "number" && typeof right === "number") return left + right;
    if (!isRecord(left) || !isRecord(right)) return left ?? right;
    return Object.fromEntries(
      [...new Set([...Object.keys(left), ...Object.keys(right)])].map((
        key,
      ) => [key, addUp([left[key], right[key]])]),
    );
  }, undefined);
}

function isRecord(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Asks one worker: what it is asked has one answer, whoever gives it. */
export async function askOne(
  [worker]: readonly WorkerProcess[],
  { verb, args }: ControlRequest,
): Promise<unknown> {
  if (worker === undefined) throw new Error("no worker is serving at the moment; try again");
  return await worker.ask(verb, args, PATIENCE);
}

/** Asks every worker and puts the answers together: each acts on its own shard of the queue. */
export async function askAll(
  workers: readonly WorkerProcess[],
  { verb, args }: ControlRequest,
  row: (row: unknown) => void,
): Promise<unknown> {
  if (workers.length === 0) throw new Error("no worker is serving at the moment; try again");
  const answers = await Promise.all(
    workers.map((worker) => worker.ask(verb as Verb, args, PATIENCE, (rows) => rows.forEach(row))),
  );
  return addUp(answers);
}
