import { expect, test } from "bun:test";
import { FakeDisk } from "../../../test/kit/memory/fake_disk.ts";
import { openShard, putTwenty } from "../../../test/kit/memory/queue_shard.ts";
import type { QueueId } from "../envelope.ts";
import type { QueueStore } from "../store.ts";

/** Bytes of a segment. */
const SEGMENT = 8192;

/** Delivers all that waits. */
async function deliver(store: QueueStore, delivered: QueueId[]): Promise<void> {
  for (const id of (await store.takeDue(Date.now(), 999))) {
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
      const gone = await openShard(disk, 1, SEGMENT);
      const ids = await putTwenty(gone);
      await gone.close();
      let store = await openShard(disk, 0, SEGMENT);
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
        store = await openShard(disk, 0, SEGMENT);
      }
      await store.adoptOrphans();
      await deliver(store, delivered);
      expect([unreadable, delivered.sort()]).toEqual([unreadable, ids.sort()]);
      await store.close();
    }
  });
}
