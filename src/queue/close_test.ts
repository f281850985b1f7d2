import { expect, test } from "bun:test";
import { FakeDisk } from "../../test/kit/fake_disk.ts";
import type { QueueId } from "./envelope.ts";
import { openFileStore } from "./file_store.ts";
import type { QueueStore } from "./store.ts";

const turn = () => new Promise((resolve) => setImmediate(resolve));

function open(disk: FakeDisk, shard: number): Promise<QueueStore> {
  return openFileStore({
    directory: "/q",
    shard,
    disk,
    settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
    limits: { preallocate: 1024, segmentSize: 4096, compactionStep: 1000, spoolThreshold: 2000 },
    report: () => {},
    after: () => () => {},
  });
}

async function put(store: QueueStore, size: number): Promise<QueueId> {
  const id = store.newId();
  const draft = store.draft(id);
  await draft.write(Buffer.alloc(size, 97));
  const recipients = [{ address: "b@x", original: "b@x", notify: 0 }];
  await draft.commit({ id, arrival: 1_700_000_000_000, sender: "a@x", recipients, origin: {} });
  return id;
}

async function idsIn(store: QueueStore): Promise<QueueId[]> {
  const ids: QueueId[] = [];
  for await (const { id } of store.list()) ids.push(id);
  return ids.sort();
}

test("a store that closes in the middle of an adoption writes nothing afterwards; every message is there once", async () => {
  for (let turns = 0; turns < 120; turns += 3) {
    const disk = new FakeDisk(() => 0.5);
    const gone = await open(disk, 1);
    const ids: QueueId[] = [];
    for (let at = 0; at < 20; at++) ids.push(await put(gone, at % 7 === 0 ? 3000 : 400));
    await gone.close();
    const store = await open(disk, 0);
    const adoption = store.adoptOrphans().catch(() => {});
    for (let at = 0; at < turns; at++) await turn();
    await store.close();
    const { calls } = disk;
    for (let at = 0; at < 100; at++) await turn();
    expect([turns, disk.calls - calls]).toEqual([turns, 0]);
    await adoption;
    const first = await open(disk, 0);
    const second = await open(disk, 1);
    const both = [...await idsIn(first), ...await idsIn(second)];
    expect([turns, both.sort()]).toEqual([turns, ids.sort()]);
    await first.close();
    await second.close();
  }
});

test("a store that is closed takes nothing more in: what is asked of it is refused and the disk left alone", async () => {
  const disk = new FakeDisk(() => 0.5);
  const store = await open(disk, 0);
  const id = await put(store, 100);
  store.takeDue(Date.now(), 1);
  await store.close();
  const { calls } = disk;
  store.defer(id, Date.now() + 1000, []);
  store.remove(id);
  await expect(store.flush()).rejects.toThrow("closed");
  await expect(put(store, 100)).rejects.toThrow("closed");
  expect(await store.adoptOrphans().catch(() => "refused")).toBe("refused");
  for (let at = 0; at < 50; at++) await turn();
  expect(disk.calls).toBe(calls);
});
