import { isPromise, type MaybeAsync } from "../base/maybe_async.ts";

/** Runs a step for each item, one after the other; a result other than undefined ends it. Waits only where a step does. */
export function inTurn<Item, Result>(
  items: readonly Item[],
  step: (item: Item, index: number) => MaybeAsync<Result | undefined>,
  from = 0,
): MaybeAsync<Result | undefined> {
  for (let at = from; at < items.length; at++) {
    const result = step(items[at]!, at);
    if (isPromise(result)) {
      return result.then((late) => late === undefined ? inTurn(items, step, at + 1) : late);
    }
    if (result !== undefined) return result;
  }
  return undefined;
}
