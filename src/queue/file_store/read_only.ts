import { systemDisk } from "../../platform/file/durable_file.ts";
import type { Disk } from "../../platform/file/disk.ts";
import { memoryContent, spooledContent } from "./content.ts";
import type { QueueId } from "../envelope.ts";
import { queueFault } from "../fault.ts";
import { QUEUE_LIMITS } from "../log/file_store_options.ts";
import { findListing, listShard, readStates } from "./listing.ts";
import { FLAG, parseSpooled } from "../log/record.ts";
import { listShards, Shard } from "./shard.ts";
import {
  type Content,
  QueueFault,
  type QueueListing,
  QUEUES_IN_ORDER,
  type StoredMessage,
  type Wanted,
} from "../store.ts";
import { parseEnvelope } from "../log/stored.ts";

/** The queue as it lies on disk, for `postqueue -p` and `postcat` while the service is down. */
export interface QueueReader {
  /** Whether there is a queue at all. */
  readonly exists: boolean;
  /** The messages of all shards that are wanted, in the order of `QueueStore.list`. */
  list(wanted?: Wanted): AsyncIterable<QueueListing>;
  /** A message's row; undefined when it is not in the queue. */
  find(id: QueueId): Promise<QueueListing | undefined>;
  open(id: QueueId): Promise<StoredMessage>;
  close(): void;
}

/** Reads the queue below a queue_directory. Changes nothing and needs no lock; a shard in use shows as it was a moment ago. */
export async function openReadOnly(directory: string, disk: Disk = systemDisk): Promise<QueueReader> {
  const names = listShards(disk, directory);
  const shards: Shard[] = [];
  for (const name of names) {
    const shard = await Shard.open({
      directory,
      name,
      mode: "read",
      disk,
      random: () => 0,
      now: Date.now,
      limits: QUEUE_LIMITS,
      report: () => {},
    });
    if (shard !== undefined) shards.push(shard);
  }
  return {
    exists: names.length > 0,
    list: (wanted) => listAll(shards, wanted),
    find: (id) => findIn(shards, id),
    open: (id) => openIn(shards, id),
    close: () => shards.forEach((shard) => shard.close()),
  };
}

async function* listAll(shards: readonly Shard[], wanted: Wanted = {}): AsyncIterable<QueueListing> {
  for (const queue of QUEUES_IN_ORDER) {
    if (wanted.queues?.includes(queue) === false) continue;
    for (const [at, shard] of shards.entries()) {
      for await (const row of listShard(shard, { ...wanted, queues: [queue] })) {
        // In the middle of an adoption both shards have it.
        if (!shards.slice(0, at).some(({ index }) => index.find(row.id) >= 0)) yield row;
      }
    }
  }
}

async function findIn(shards: readonly Shard[], id: QueueId): Promise<QueueListing | undefined> {
  for (const shard of shards) {
    const row = await findListing(shard, id);
    if (row !== undefined) return row;
  }
  return undefined;
}

async function openIn(shards: readonly Shard[], id: QueueId): Promise<StoredMessage> {
  for (const shard of shards) {
    const slot = shard.index.find(id);
    if (slot >= 0) return await readStored(shard, slot);
  }
  throw new QueueFault(`open message ${id}`, "it is not in the queue");
}

/** A message with its states, read from the log of a shard. */
async function readStored(shard: Shard, slot: number): Promise<StoredMessage> {
  const { index } = shard;
  const id = index.idOf(slot);
  try {
    const record = await shard.readMessage(slot);
    if (record === undefined) throw new Error("its record is damaged");
    const envelope = parseEnvelope(record.meta);
    const flags = index.flags[slot]!;
    const spooled = (flags & FLAG.spooled) !== 0;
    return {
      envelope,
      states: await readStates(shard, slot, envelope.recipients.length),
      content: spooled ? spooledOf(shard, slot, record.content) : memoryContent(record.content),
      warned: (flags & FLAG.warned) !== 0,
      forcedExpire: (flags & FLAG.expire) !== 0,
      requeue: (flags & FLAG.requeue) !== 0,
      heldByOperator: (flags & FLAG.byOperator) !== 0,
    };
  } catch (error) {
    throw queueFault(`open message ${id}`, error);
  }
}

function spooledOf({ disk, paths, index }: Shard, slot: number, inRecord: Buffer): Content {
  const { head, checksum } = parseSpooled(inRecord);
  return spooledContent(disk, head, {
    path: `${paths.spool}/${index.idOf(slot)}`,
    size: index.spoolSize(slot),
    checksum,
  });
}
