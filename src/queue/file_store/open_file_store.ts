import type { FileStoreOptions } from "../log/file_store_options.ts";
import { MAX_SHARD } from "../queue_id.ts";
import { QueueFault, type QueueStore } from "../store.ts";
import { FileStore } from "./file_store.ts";
import { openOwnShard, Shard, shardName } from "./shard.ts";
import { type StoreWorld, storeWorld } from "./store_world.ts";

/**
 * Opens the store of one worker: takes the lock of a shard that no process owns, replays its log. So a worker that died is
 * followed by one with its messages, and workers of an earlier configuration keep theirs. Rejects with QueueFault.
 */
export async function openFileStore(options: FileStoreOptions): Promise<QueueStore> {
  return await whenLoaded(await begin(options, false));
}

/** The same, resolving as soon as the store takes mail: what is in it is loaded behind (`loaded`). */
export function beginFileStore(options: FileStoreOptions): Promise<QueueStore> {
  return begin(options, true);
}

async function begin(options: FileStoreOptions, isBeginning: boolean): Promise<QueueStore> {
  const world = storeWorld(options);
  const [number, shard] = options.shard === undefined
    ? await openFreeShard(world)
    : [options.shard, await openOwnShard({ ...world, name: nameOf(options.shard) })];
  return new FileStore(shard, number, { ...world, isBeginning });
}

async function whenLoaded(store: QueueStore): Promise<QueueStore> {
  try {
    await store.loaded;
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** The same for one shard; undefined when another process owns it. */
export async function openShardNow(
  options: FileStoreOptions,
  number: number,
): Promise<QueueStore | undefined> {
  const world = storeWorld(options);
  const shard = await Shard.begin({ ...world, name: nameOf(number), mode: "write" });
  return shard === undefined
    ? undefined
    : await whenLoaded(new FileStore(shard, number, { ...world, isBeginning: false }));
}

function nameOf(shard: number): string {
  if (Number.isInteger(shard) && shard >= 0 && shard <= MAX_SHARD) return shardName(shard);
  throw new QueueFault(`open shard ${shard}`, `a shard's number is 0 to ${MAX_SHARD}`);
}

async function openFreeShard(world: StoreWorld): Promise<[number: number, shard: Shard]> {
  for (let number = 0; number <= MAX_SHARD; number++) {
    const shard = await Shard.begin({ ...world, name: shardName(number), mode: "write" });
    if (shard !== undefined) return [number, shard];
  }
  const why = `other processes own all of its ${MAX_SHARD + 1} shards`;
  throw new QueueFault(`open the queue in ${world.directory}`, why, { kind: "locked" });
}
