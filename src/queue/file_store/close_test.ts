import { expect, test } from "bun:test";
import { FakeDisk } from "../../../test/kit/memory/fake_disk.ts";
import { idsIn, openShard, put, putTwenty } from "../../../test/kit/memory/queue_shard.ts";

/** Bytes of a segment. */
const SEGMENT = 4096;

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("a store that closes in the middle of an adoption writes nothing afterwards; every message is there once", async () => {
  for (let turns = 0; turns < 120; turns += 3) {
    const disk = new FakeDisk(() => 0.5);
    const gone = await openShard(disk, 1, SEGMENT);
    const ids = await putTwenty(gone);
    await gone.close();
    const store = await openShard(disk, 0, SEGMENT);
    const adoption = store.adoptOrphans().catch(() => {});
    for (let at = 0; at < turns; at++) await turn();
    await store.close();
    const { calls } = disk;
    for (let at = 0; at < 100; at++) await turn();
    expect([turns, disk.calls - calls]).toEqual([turns, 0]);
    await adoption;
    const first = await openShard(disk, 0, SEGMENT);
    const second = await openShard(disk, 1, SEGMENT);
    const both = [...await idsIn(first.list()), ...await idsIn(second.list())];
    expect([turns, both.sort()]).toEqual([turns, ids.sort()]);
    await first.close();
    await second.close();
  }
});

test("a store that is closed takes nothing more in: what is asked of it is refused and the disk left alone", async () => {
  const disk = new FakeDisk(() => 0.5);
  const store = await openShard(disk, 0, SEGMENT);
  const id = await put(store, Buffer.alloc(100, 97));
  await store.takeDue(Date.now(), 1);
  await store.close();
  const { calls } = disk;
  store.defer(id, Date.now() + 1000, []);
  store.remove(id);
  await expect(store.flush()).rejects.toThrow("closed");
  await expect(put(store, Buffer.alloc(100, 97))).rejects.toThrow("closed");
  expect(await store.adoptOrphans().catch(() => "refused")).toBe("refused");
  for (let at = 0; at < 50; at++) await turn();
  expect(disk.calls).toBe(calls);
});

/** Unlinks later than others would: as many turns of the event loop as it is told. */
class SlowDisk extends FakeDisk {
  override async unlinkLater(path: string): Promise<void> {
    for (let at = 0; at < 20; at++) await turn();
    this.unlink(path);
  }
}

test("the content file of a finished message goes while the store goes on, and before it is closed", async () => {
  const disk = new SlowDisk(() => 0.5);
  const store = await openShard(disk, 0, SEGMENT);
  const id = await put(store, Buffer.alloc(5000, 97));
  const contents = () => disk.list("/q/mta/shard-0/spool");
  store.remove(id);
  await store.flush();
  expect(contents()).toEqual([id]);
  await put(store, Buffer.alloc(100, 97));
  await store.close();
  expect(contents()).toEqual([]);
});
