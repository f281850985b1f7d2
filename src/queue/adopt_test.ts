import { expect, test } from "bun:test";
import { FakeDisk } from "../../test/kit/fake_disk.ts";
import type { QueueId } from "./envelope.ts";
import { openFileStore } from "./file_store.ts";
import type { QueueStore } from "./store.ts";

function open(disk: FakeDisk, shard: number): Promise<QueueStore> {
  return openFileStore({
    directory: "/q",
    shard,
    disk,
    settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
    limits: { preallocate: 1024, segmentSize: 8192, compactionStep: 1000, spoolThreshold: 2000 },
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

/** Delivers all that waits. */
async function deliver(store: QueueStore, delivered: QueueId[]): Promise<void> {
  for (const id of store.takeDue(Date.now(), 999)) {
    expect((await store.open(id)).content.size).toBeGreaterThan(0);
    store.remove(id);
    delivered.push(id);
  }
  await store.flush();
}

for (const restarts of [false, true]) {
  test(`an adoption that fails in the middle and is tried again brings no message twice${restarts ? ", also in another process" : ""}`, async () => {
    for (const unreadable of [3, 9, 14]) {
      const disk = new FakeDisk(() => 0.5);
      const gone = await open(disk, 1);
      const ids: QueueId[] = [];
      for (let at = 0; at < 20; at++) ids.push(await put(gone, at % 7 === 0 ? 3000 : 400));
      await gone.close();
      let store = await open(disk, 0);
      const delivered: QueueId[] = [];
      for (let tries = 0; tries < 3; tries++) {
        let reads = 0;
        // The first reads are replay's: of each segment its header and its records.
        disk.onCall = ({ name, path }) =>
          name === "read" && path.includes("shard-1/log") && ++reads > 4 + unreadable - (tries === 0 ? 0 : 3)
            ? "EIO"
            : undefined;
        const failed = await store.adoptOrphans().then(() => false, () => true);
        if (tries === 0) expect(failed).toBe(true);
        disk.onCall = () => undefined;
        await deliver(store, delivered);
        if (!restarts) continue;
        await store.close();
        store = await open(disk, 0);
      }
      await store.adoptOrphans();
      await deliver(store, delivered);
      expect([unreadable, delivered.sort()]).toEqual([unreadable, ids.sort()]);
      await store.close();
    }
  });
}
