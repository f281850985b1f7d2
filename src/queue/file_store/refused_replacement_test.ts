import { expect, test } from "bun:test";
import { internalAddress } from "../../address/address.ts";
import { FakeDisk } from "../../../test/kit/memory/fake_disk.ts";
import type { QueueId } from "../envelope.ts";
import type { QueueStore } from "../store.ts";
import { openFileStore } from "./open_file_store.ts";

const NOW = 1_700_000_000_000;
const FAR = NOW + 1_000_000;

function open(disk: FakeDisk, now = () => NOW): Promise<QueueStore> {
  return openFileStore({
    directory: "/q",
    shard: 0,
    disk,
    settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
    limits: { spoolThreshold: 100 },
    now,
    report: () => {},
    after: () => () => {},
  });
}

async function put(store: QueueStore, text: string, replaces?: QueueId): Promise<QueueId> {
  const id = store.newId();
  const draft = store.draft(id);
  await draft.write(Buffer.from(text));
  const address = internalAddress("a@example.com");
  const recipients = [{ address, original: address, notify: 0 }];
  const envelope = { id, arrival: NOW, sender: internalAddress("s@example.com"), recipients, origin: {} };
  await draft.commit({ ...envelope, ...(replaces !== undefined && { replaces }) }, Buffer.alloc(0));
  return id;
}

async function idsOf(store: QueueStore): Promise<QueueId[]> {
  const ids: QueueId[] = [];
  for await (const { id } of store.list()) ids.push(id);
  return ids;
}

/** A replacement whose record could be written and not be synced, and then nothing more works but to remove files. */
async function refuseReplacement(disk: FakeDisk, store: QueueStore): Promise<QueueId> {
  const old = await put(store, "old".repeat(100));
  expect(await store.takeDue(FAR, 10)).toEqual([old]);
  let failing = false;
  disk.onCall = ({ name, path }) => {
    failing ||= name === "sync" && path.endsWith(".seg");
    return failing && name !== "unlink" ? "ENOSPC" : undefined;
  };
  await expect(put(store, "new".repeat(100), old)).rejects.toThrow("No space left on device");
  expect(failing).toBe(true);
  await turns();
  return old;
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test("a crash that brings a refused replacement back brings all of it: one of the two is there, whole, and stays", async () => {
  const disk = new FakeDisk(() => 0.5);
  await refuseReplacement(disk, await open(disk));
  let left = disk.kill();
  for (let start = 0; start < 3; start++) {
    const after = await open(left);
    const ids = await idsOf(after);
    expect(ids).toHaveLength(1);
    const { content } = await after.open(ids[0]!);
    const text = Buffer.concat(await Array.fromAsync(content.chunks())).toString();
    expect(["old".repeat(100), "new".repeat(100)]).toContain(text);
    await after.flush();
    await turns();
    left = left.kill();
  }
});

test("when the disk can be written again what was refused goes, and the message stays", async () => {
  const disk = new FakeDisk(() => 0.5);
  let time = NOW;
  const store = await open(disk, () => time += 60_000);
  const old = await refuseReplacement(disk, store);
  disk.onCall = () => undefined;
  const contents = () => disk.list("/q/mta/shard-0/spool").length;
  expect(contents()).toBe(2);
  while (contents() > 1) {
    await store.flush().catch(() => {});
    await put(store, "x").catch(() => {});
    await turns();
  }
  const after = await open(disk.kill());
  expect(await idsOf(after)).toContain(old);
  await after.close();
});

test("a message is gone whose replacement was delivered, whatever the log still has of it", async () => {
  const disk = new FakeDisk(() => 0.5);
  const store = await open(disk);
  const old = await put(store, "old".repeat(100));
  expect(await store.takeDue(FAR, 10)).toEqual([old]);
  const replacement = await put(store, "new".repeat(100), old);
  expect(await store.takeDue(FAR, 10)).toEqual([replacement]);
  store.remove(replacement);
  await store.flush();
  await turns();
  const left = disk.kill();
  expect(left.list("/q/mta/shard-0/spool")).toEqual([]);

  const after = await open(left);
  expect(await idsOf(after)).toEqual([]);
  await after.close();
});
