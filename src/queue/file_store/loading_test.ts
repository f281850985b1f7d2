// A queue whose older messages are loaded while new ones come and go.
import { expect, test } from "bun:test";
import { FakeDisk } from "../../../test/kit/memory/fake_disk.ts";
import { beginShard, idsIn, openShard, put, putTwenty } from "../../../test/kit/memory/queue_shard.ts";
import type { QueueId } from "../envelope.ts";
import type { QueueStore } from "../store.ts";

const SEGMENT = 4096;

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A queue of twenty messages that nobody has closed, on a disk that is slow to read. */
async function killed(): Promise<{ readonly disk: FakeDisk; readonly ids: readonly QueueId[] }> {
  const disk = new FakeDisk(() => 0.5);
  const ids = await putTwenty(await openShard(disk, 0, SEGMENT));
  const after = disk.kill();
  after.readTurns = 10;
  return { disk: after, ids };
}

async function isLoaded({ loaded }: QueueStore): Promise<boolean> {
  return await Promise.race([
    loaded.then(() => true),
    Promise.resolve().then(() => undefined).then(() => false),
  ]);
}

test("mail is taken, delivered and removed before the queue is loaded; no older message comes due until all is known", async () => {
  const { disk, ids } = await killed();
  const store = await beginShard(disk, 0, SEGMENT);
  const [gone, stays] = [await put(store, Buffer.alloc(400, 98)), await put(store, Buffer.alloc(3000, 98))];
  expect(await isLoaded(store)).toBe(false);
  expect(await store.takeDue(Date.now(), 99)).toEqual([gone, stays]);
  expect((await store.open(gone)).content.size).toBe(400);
  store.remove(gone);
  store.release(stays);
  await store.flush();
  expect(await isLoaded(store)).toBe(false);
  // Whoever asks for all waits.
  expect((await idsIn(store.list())).sort()).toEqual([...ids, stays].sort());
  expect(await isLoaded(store)).toBe(true);
  const due = await store.takeDue(Date.now(), 99);
  expect([...due].sort()).toEqual([...ids, stays].sort());
  for (const id of due) expect((await store.open(id)).content.size).toBeGreaterThan(0);
  await store.close();
  const again = await openShard(disk, 0, SEGMENT);
  expect((await idsIn(again.list())).sort()).toEqual([...ids, stays].sort());
  await again.close();
});

test("whoever opens an older message before all is loaded gets it as it is, and who waits for mail hears of it", async () => {
  const { disk, ids } = await killed();
  const store = await beginShard(disk, 0, SEGMENT);
  let calls = 0;
  store.onArrival(() => calls++);
  expect((await store.open(ids[3]!)).content.size).toBe(400);
  expect(await isLoaded(store)).toBe(true);
  expect(calls).toBe(1);
  await store.close();
});

test("an id that is made before all is loaded is none that an older message may have, though the clock stands still", async () => {
  const { disk, ids } = await killed();
  const store = await beginShard(disk, 0, SEGMENT);
  expect(ids.every((id) => /^[0-9A-F]{12}$/.test(id))).toBe(true);
  expect(store.newId()).toMatch(/^[0-9A-Za-z]{10}z[0-9A-Za-y]+$/);
  await store.loaded;
  expect(store.newId()).toMatch(/^[0-9A-F]{12}$/);
  await store.close();
});

test("a queue that is closed while it is being loaded leaves the disk alone, and the next one finds all of it", async () => {
  for (let turns = 0; turns < 200; turns += 9) {
    const { disk, ids } = await killed();
    const store = await beginShard(disk, 0, SEGMENT);
    const id = await put(store, Buffer.alloc(400, 98));
    for (let at = 0; at < turns; at++) await turn();
    await store.close();
    const { calls } = disk;
    for (let at = 0; at < 60; at++) await turn();
    expect([turns, disk.calls - calls]).toEqual([turns, 0]);
    disk.readTurns = 0;
    const again = await openShard(disk, 0, SEGMENT);
    expect([turns, (await idsIn(again.list())).sort()]).toEqual([turns, [...ids, id].sort()]);
    await again.close();
  }
});

test("a content file that cannot be opened keeps no other message from being loaded, and its own stays", async () => {
  const { disk, ids } = await killed();
  disk.onCall = ({ name, path }) => name === "open" && path.endsWith(`/spool/${ids[7]}`) ? "EIO" : undefined;
  const store = await openShard(disk, 0, SEGMENT);
  expect((await idsIn(store.list())).sort()).toEqual([...ids].sort());
  disk.onCall = () => undefined;
  for await (const _ of (await store.open(ids[7]!)).content.chunks());
  await store.close();
});
