/** Numbers of the queue's shards that living workers own: a new worker gets the lowest free one. */
export class ShardNumbers {
  readonly #taken = new Set<number>();

  take(): number {
    let shard = 0;
    while (this.#taken.has(shard)) shard++;
    this.#taken.add(shard);
    return shard;
  }

  free(shard: number): void {
    this.#taken.delete(shard);
  }
}
