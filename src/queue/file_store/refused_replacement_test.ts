import { expect, test } from "bun:test";
import { internalAddress } from "../../address/address.ts";
import { FakeDisk } from "../../../test/kit/memory/fake_disk.ts";
import type { QueueId } from "../envelope.ts";
import type { QueueStore } from "../store.ts";
import { openFileStore } from "./file_store.ts";

const NOW = 1_700_000_000_000;
const FAR = NOW + 1_000_000;

function open(disk: FakeDisk): Promise<QueueStore> {
  return openFileStore({
    directory: "/q",
    shard: 0,
    disk,
    settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
    limits: { spoolThreshold: 100 },
    now: () => NOW,
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

test("a message stays whose replacement was refused, though the disk kept the record and not the content", async () => {
  const disk = new FakeDisk(() => 0.5);
  const store = await open(disk);
  const old = await put(store, "old".repeat(100));
  expect(await store.takeDue(FAR, 10)).toEqual([old]);
  // The sync of the record fails, and from then on all that would take it back.
  let failing = false;
  disk.onCall = ({ name, path }) => {
    failing ||= name === "sync" && path.endsWith(".seg");
    return failing && name !== "unlink" ? "ENOSPC" : undefined;
  };
  await expect(put(store, "new".repeat(100), old)).rejects.toThrow("No space left on device");
  expect(failing).toBe(true);
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));

  const after = await open(disk.kill());
  expect(await idsOf(after)).toEqual([old]);
  const { content } = await after.open(old);
  expect(Buffer.concat(await Array.fromAsync(content.chunks())).toString()).toBe("old".repeat(100));
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
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  const left = disk.kill();
  expect(left.list("/q/mta/shard-0/spool")).toEqual([]);

  const after = await open(left);
  expect(await idsOf(after)).toEqual([]);
  await after.close();
});
