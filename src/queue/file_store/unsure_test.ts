// What replay found and could not make durable: nothing is destroyed because of it.
import { expect, test } from "bun:test";
import { FakeDisk } from "../../../test/kit/memory/fake_disk.ts";
import { put } from "../../../test/kit/memory/queue_shard.ts";
import { openFileStore } from "./open_file_store.ts";

test("a segment stays until it is durable that its messages are finished: copies of them may be elsewhere", async () => {
  let luck = 0.5;
  let disk = new FakeDisk(() => luck);
  let now = 1_700_000_000_000;
  let timers: { readonly at: number; readonly call: () => void }[] = [];
  const open = () =>
    openFileStore({
      directory: "/q",
      shard: 0,
      disk,
      settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
      limits: {
        block: 512,
        preallocate: 8192,
        segmentSize: 20_000,
        faultPause: 100,
        idleTime: 1e9,
        slack: 1e9,
      },
      now: () => now,
      report: () => {},
      after: (milliseconds, call) => {
        const timer = { at: now + milliseconds, call };
        timers.push(timer);
        return () => void (timers = timers.filter((other) => other !== timer));
      },
    });
  const content = (size: number) => Buffer.alloc(size, 97);
  const turns = async () => {
    for (let at = 0; at < 60; at++) await new Promise((resolve) => setImmediate(resolve));
  };
  const isSegment = (path: string) => path.endsWith(".seg");

  // A copy of the last message of the first segment is durable, and the segment cannot be unlinked.
  let store = await open();
  const ids = [];
  for (let at = 0; at < 5; at++) ids.push(await put(store, content(6000), now));
  const [last, other] = [ids[3]!, ids[4]!];
  disk.onCall = ({ name, path }) => name === "unlink" && isSegment(path) ? "EIO" : undefined;
  for (const id of ids.slice(0, 3)) store.remove(id);
  await store.flush();
  await turns();
  timers = [];
  disk = disk.kill();

  // It is delivered; what says so was written and not synced when the process was killed.
  disk.onCall = ({ name, path }) => name === "unlink" && isSegment(path) ? "EIO" : undefined;
  store = await open();
  const third = await put(store, content(100), now);
  await turns();
  disk.onCall = ({ name, path }) =>
    isSegment(path) && (name === "sync" || name === "unlink") ? "crash" : undefined;
  store.remove(last);
  void store.flush().catch(() => {});
  await turns();
  expect(disk.dead).toBe(true);
  timers = [];
  disk = disk.kill();

  // The next process cannot make it durable.
  disk.onCall = ({ name, path }) => name === "sync" && isSegment(path) ? "EIO" : undefined;
  store = await open();
  disk.onCall = () => undefined;
  expect((await store.takeDue(now, 9)).toSorted()).toEqual([other, third].toSorted());
  now += 100_000;
  const fourth = await put(store, content(100), now);
  await turns();
  luck = 0.1;
  timers = [];
  disk = disk.crash();
  luck = 0.5;
  store = await open();
  expect((await store.takeDue(now, 9)).toSorted()).toEqual([other, third, fourth].toSorted());
});
