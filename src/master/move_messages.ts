import type { WorkerArgs } from "../worker/protocol/worker_verbs.ts";
import type { MoveStep } from "../queue/move_shapes.ts";
import { askAll, askOne } from "./queue_questions.ts";
import type { WorkerProcess } from "./worker_process.ts";

/** Who has messages. */
export interface Holders {
  /** Workers that serve now. */
  readonly serving: () => readonly WorkerProcess[];
  /** Workers of before a reload, which have messages as long as they last. */
  readonly draining: () => readonly WorkerProcess[];
}

interface MoveOptions {
  readonly signal: AbortSignal;
  readonly rows: (steps: readonly MoveStep[]) => Promise<void> | void;
}

/** How long a worker that fails is given to be gone, and how often it is looked for, in milliseconds. */
const [PATIENCE, LOOK] = [5000, 20];

/**
 * Has messages moved by whoever holds them (postsuper(1)). What workers that are gone have left is to be taken over first, and is again
 * where one of before a reload ends in the middle: a message is never passed over because it changes hands.
 */
export async function moveMessages(
  { serving, draining }: Holders,
  args: WorkerArgs<"move">,
  options: MoveOptions,
): Promise<void> {
  for (const worker of draining()) {
    try {
      await askAll([worker], "move", args, options);
    } catch (error) {
      options.signal.throwIfAborted();
      if (!await isGone(worker, draining)) throw error;
      await takeOver(serving(), options.signal);
    }
  }
  await askAll(serving(), "move", args, options);
}

/** Lets a worker take over what those that are gone have left. What cannot be taken over is nobody's for now; the worker says so itself. */
export async function takeOver(workers: readonly WorkerProcess[], signal: AbortSignal): Promise<void> {
  if (workers.length > 0) await askOne(workers, "adopt", {}, { signal }).catch(() => {});
}

async function isGone(worker: WorkerProcess, draining: () => readonly WorkerProcess[]): Promise<boolean> {
  for (let waited = 0; waited <= PATIENCE; waited += LOOK) {
    if (!draining().includes(worker)) return true;
    await new Promise<void>((resolve) => setTimeout(resolve, LOOK));
  }
  return false;
}

/** How often who waits hears that work goes on, in milliseconds: a queue that is taken over, or read for a few messages, takes its time. */
const SIGN_OF_LIFE = 10_000;

/** Does work and says now and then that it goes on. */
export async function withSignsOfLife(
  work: () => Promise<void>,
  sign: () => Promise<void> | undefined,
): Promise<void> {
  const timer = setInterval(() => void sign()?.catch(() => {}), SIGN_OF_LIFE);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
}
