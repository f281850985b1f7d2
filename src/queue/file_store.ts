import type { FileStoreOptions } from "./file_store_options.ts";
import { QueueFault, type QueueStore } from "./store.ts";

/** Opens the store of one worker: takes the shard's lock, replays its log. Rejects with QueueFault. */
export async function openFileStore(options: FileStoreOptions): Promise<QueueStore> {
  throw new QueueFault(`open shard ${options.shard} of ${options.directory}`, "not written yet");
}
