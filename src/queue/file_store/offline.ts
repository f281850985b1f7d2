import { systemDisk } from "../../platform/file/durable_file.ts";
import { queueFault } from "../fault.ts";
import type { FileStoreOptions } from "../log/file_store_options.ts";
import { type Moved, QueueFault, type QueueMove, type QueueStore, type Selection } from "../store.ts";
import { openShardNow } from "./open_file_store.ts";
import { listShards } from "./shard.ts";

/** The queue of a service that is down, in an operator's hands: all its shards are locked and open. */
export interface OfflineQueue {
  /** As QueueStore.move. */
  move(move: QueueMove, selection: Selection): AsyncIterable<readonly Moved[]>;
  /** Reads every message; what is damaged is set aside and reported. */
  verify(): Promise<void>;
  /** What damage was found and not yet cleared away, in sentences. */
  damage(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/**
 * Opens all shards of a queue directory for writing, as workers do at their start: what is torn is cut, what is damaged is set aside, what
 * was left over goes. Rejects with QueueFault, `locked` where a process still owns one.
 */
export async function openOffline(options: Omit<FileStoreOptions, "shard">): Promise<OfflineQueue> {
  const stores: QueueStore[] = [];
  const close = async () => {
    for (const store of stores) await store.close();
  };
  try {
    for (const name of listShards(options.disk ?? systemDisk, options.directory)) {
      const store = await openShardNow(options, Number(name.slice("shard-".length)));
      if (store === undefined) throw inUse(options.directory, name);
      stores.push(store);
    }
  } catch (error) {
    await close();
    throw queueFault(`open the queue in ${options.directory}`, error);
  }
  return {
    async *move(move, selection) {
      for (const store of stores) yield* store.move(move, selection);
    },
    async verify() {
      for (const store of stores) await verify(store);
    },
    async damage() {
      const found = await Promise.all(stores.map((store) => store.damage()));
      return found.filter((text) => text !== undefined);
    },
    close,
  };
}

function inUse(directory: string, name: string): QueueFault {
  return new QueueFault(
    `open the queue in ${directory}`,
    `another process owns ${name}; wait until it has ended`,
    { kind: "locked" },
  );
}

/** Opens every message: its record and what is known of its recipients are read whole by that, and then the content in a file of its own. */
async function verify(store: QueueStore): Promise<void> {
  for await (const { id } of store.list()) {
    try {
      const { content } = await store.open(id);
      if (content.bytes === undefined) { for await (const _ of content.chunks()); }
    } catch (error) {
      if (!(error instanceof QueueFault)) throw error; // it is set aside and has been reported
    }
  }
}
