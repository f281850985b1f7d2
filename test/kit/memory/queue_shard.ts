// Stores of workers on a disk in memory, and messages for them.
import { internalAddress } from "../../../src/address/address.ts";
import type { QueueId } from "../../../src/queue/envelope.ts";
import { beginFileStore, openFileStore } from "../../../src/queue/file_store/open_file_store.ts";
import type { FileStoreOptions } from "../../../src/queue/log/file_store_options.ts";
import type { QueueStore } from "../../../src/queue/store.ts";
import type { FakeDisk } from "./fake_disk.ts";

/** Opens a worker's store; a queue of a few messages has several segments and spool files already. No timer ever fires. */
export function openShard(disk: FakeDisk, shard: number, segmentSize: number): Promise<QueueStore> {
  return openFileStore(shardOptions(disk, shard, segmentSize));
}

/** The same, and what is in it is loaded behind. */
export function beginShard(disk: FakeDisk, shard: number, segmentSize: number): Promise<QueueStore> {
  return beginFileStore(shardOptions(disk, shard, segmentSize));
}

function shardOptions(disk: FakeDisk, shard: number, segmentSize: number): FileStoreOptions {
  return {
    directory: "/q",
    shard,
    disk,
    settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
    limits: { block: 512, preallocate: 1024, segmentSize, compactionStep: 1000, spoolThreshold: 2000 },
    report: () => {},
    after: () => () => {},
  };
}

/** Bytes of a message that `put` queues as its head. */
export const HEAD = 200;

/** Queues a message to one recipient; the first bytes are its head. */
export async function put(
  store: QueueStore,
  content: Uint8Array,
  arrival = 1_700_000_000_000,
): Promise<QueueId> {
  const id = store.newId();
  const draft = store.draft(id);
  await draft.write(content.subarray(HEAD));
  const recipients = [{ address: internalAddress("b@x"), original: internalAddress("b@x"), notify: 0 }];
  await draft.commit(
    { id, arrival, sender: internalAddress("a@x"), recipients, origin: {} },
    content.subarray(0, HEAD),
  );
  return id;
}

/** Queues twenty messages, every seventh with a spool file. */
export async function putTwenty(store: QueueStore): Promise<QueueId[]> {
  const ids: QueueId[] = [];
  for (let at = 0; at < 20; at++) ids.push(await put(store, Buffer.alloc(at % 7 === 0 ? 3000 : 400, 97)));
  return ids;
}

/** What is in a queue, in its order. */
export async function idsIn(list: AsyncIterable<{ readonly id: QueueId }>): Promise<QueueId[]> {
  const ids: QueueId[] = [];
  for await (const { id } of list) ids.push(id);
  return ids;
}
