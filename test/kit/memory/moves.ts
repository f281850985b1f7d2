import type { QueueId } from "../../../src/queue/envelope.ts";
import type { QueueMove, QueueStore, Selection } from "../../../src/queue/store.ts";

/** Does an operator's move to its end; answers what it did, as `id effect`, in its order. */
export async function movesOf(
  store: Pick<QueueStore, "move">,
  move: QueueMove,
  selection?: Selection,
): Promise<string[]> {
  const all: string[] = [];
  for await (const step of store.move(move, selection)) {
    all.push(...step.map(({ id, effect }) => `${id} ${effect}`));
  }
  return all;
}

/** The same for some messages, or all; answers how many changes it made. */
export async function moves(
  store: Pick<QueueStore, "move">,
  move: QueueMove,
  ids?: readonly QueueId[],
): Promise<number> {
  return (await movesOf(store, move, ids === undefined ? {} : { ids })).length;
}
