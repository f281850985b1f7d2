import { expect, test } from "bun:test";
import { WaitQueue } from "./wait_queue.ts";

function world() {
  const queue = new WaitQueue();
  const heard: string[] = [];
  const wait = (name: string, signal?: AbortSignal) =>
    queue.wait(signal).then(
      () => void heard.push(name),
      (error: Error) => void heard.push(`${name}: ${error.message}`),
    );
  return { queue, heard, wait };
}

test("who has waited longest is next", async () => {
  const { queue, heard, wait } = world();
  const all = ["a", "b", "c"].map((name) => wait(name));
  while (queue.next());
  await Promise.all(all);
  expect(heard).toEqual(["a", "b", "c"]);
  expect(queue.next()).toBe(false);
});

test("who gives up takes no other's turn, even when it was his already", async () => {
  const { queue, heard, wait } = world();
  const [first, second] = [new AbortController(), new AbortController()];
  const all = [wait("a", first.signal), wait("b", second.signal), wait("c")];
  queue.next();
  first.abort(new Error("too late"));
  second.abort(new Error("given up"));
  expect(queue.next()).toBe(true);
  await Promise.all([...all, wait("d", AbortSignal.abort(new Error("never began")))]);
  expect(heard.toSorted()).toEqual(["a", "b: given up", "c", "d: never began"]);
});

test("at the end nobody waits any more", async () => {
  const { queue, heard, wait } = world();
  const all = [wait("a"), wait("b")];
  queue.end(new Error("closed"));
  await Promise.all(all);
  expect(heard).toEqual(["a: closed", "b: closed"]);
  expect(queue.next()).toBe(false);
});
