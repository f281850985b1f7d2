import { systemDisk } from "../platform/durable_file.ts";
import type { Disk } from "../platform/disk.ts";
import { adoptShard } from "./adopt.ts";
import { Appends } from "./appends.ts";
import { Compaction } from "./compaction.ts";
import { memoryContent, spooledContent } from "./content.ts";
import { type FinishedContent, StoreDraft } from "./draft.ts";
import type { Envelope, QueueId } from "./envelope.ts";
import { queueFault } from "./fault.ts";
import { type FileStoreOptions, QUEUE_LIMITS, type QueueLimits } from "./file_store_options.ts";
import { GroupCommit } from "./group_commit.ts";
import { listShard, readStates } from "./listing.ts";
import { type Location, QUEUE } from "./message_index.ts";
import { MAX_SHARD, queueIdSource } from "./queue_id.ts";
import { RecentMessages } from "./recent.ts";
import { FLAG, RECORD } from "./record.ts";
import { roomCheck } from "./room.ts";
import { listShards, openOwnShard, Shard, shardName } from "./shard.ts";
import { SharedSync, SpoolWriter } from "./spool.ts";
import {
  type Content,
  type Draft,
  type QueueCounts,
  QueueFault,
  type QueueListing,
  type QueueStore,
  type RecipientChange,
  type StoredMessage,
} from "./store.ts";

/** Options with every default filled in. */
export interface StoreWorld extends Required<Omit<FileStoreOptions, "limits">> {
  readonly limits: QueueLimits;
}

/** After trouble in compaction it rests for so many milliseconds. */
const COMPACTION_PAUSE = 30_000;

function waitThen(milliseconds: number, call: () => void): () => void {
  const timer = setTimeout(call, milliseconds);
  return () => clearTimeout(timer);
}

function randomWord(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

/** The options as the store uses them. */
export function storeWorld(options: FileStoreOptions): StoreWorld {
  return {
    directory: options.directory,
    shard: options.shard,
    settings: options.settings,
    report: options.report,
    limits: { ...QUEUE_LIMITS, ...options.limits },
    disk: options.disk ?? systemDisk,
    now: options.now ?? Date.now,
    random: options.random ?? randomWord,
    after: options.after ?? waitThen,
  };
}

/** Opens the store of one worker: takes the shard's lock, replays its log. Rejects with QueueFault. */
export async function openFileStore(options: FileStoreOptions): Promise<QueueStore> {
  const world = storeWorld(options);
  if (!Number.isInteger(world.shard) || world.shard < 0 || world.shard > MAX_SHARD) {
    throw new QueueFault(`open shard ${world.shard}`, `a shard's number is 0 to ${MAX_SHARD}`);
  }
  const started = world.now();
  const shard = await openOwnShard({ ...world, name: shardName(world.shard) });
  const milliseconds = world.now() - started;
  world.report({ is: "replayed", messages: shard.index.count, bytes: shard.log.bytes, milliseconds });
  return new FileStore(shard, world);
}

/** The embedded store: a shard's log, and what goes on around it. */
class FileStore implements QueueStore {
  readonly #shard: Shard;
  readonly #world: StoreWorld;
  readonly #disk: Disk;
  readonly #appends = new Appends();
  readonly #compaction: Compaction;
  readonly #commits: GroupCommit;
  readonly #recent: RecentMessages;
  readonly #spoolSync: SharedSync;
  readonly #newId: () => QueueId;
  readonly #hasRoom: (size: number) => boolean;
  readonly #listeners: (() => void)[] = [];
  #takeDeferred = false;
  #arrived = false;
  #closing = false;
  #closed = false;
  #lastAppend = 0;
  #compactionRests = 0;
  #cancelOutcomes: (() => void) | undefined;
  #cancelIdle: (() => void) | undefined;

  constructor(shard: Shard, world: StoreWorld) {
    const { disk, limits, now, settings, random } = world;
    this.#shard = shard;
    this.#world = world;
    this.#disk = disk;
    this.#recent = new RecentMessages(limits.cacheBytes);
    this.#spoolSync = new SharedSync(() => disk.syncDirectory(shard.paths.spool));
    this.#hasRoom = roomCheck({ disk, path: shard.paths.own, now, settings });
    this.#newId = queueIdSource({
      shard: world.shard,
      long: settings.enable_long_queue_ids,
      now,
      random,
      taken: (id) => shard.index.find(id) >= 0,
    });
    this.#compaction = this.#makeCompaction();
    this.#commits = this.#makeCommits();
    if (shard.outcomes.waiting) this.#recordSoon();
    this.#tidyLater();
  }

  #makeCompaction(): Compaction {
    const { limits } = this.#world;
    return new Compaction({
      index: this.#shard.index,
      log: this.#shard.log,
      outcomes: this.#shard.outcomes,
      step: limits.compactionStep,
      slack: limits.slack,
      slackBytes: limits.slackBytes,
      kick: () => this.#commits.kick(),
      readMessage: (slot) => this.#readWhole(slot),
      readState: (slot) => this.#shard.readState(slot),
    });
  }

  #makeCommits(): GroupCommit {
    const { now, report, after, limits } = this.#world;
    return new GroupCommit({
      log: this.#shard.log,
      sources: [this.#shard.outcomes, this.#compaction, this.#appends],
      now,
      report,
      after,
      faultPause: limits.faultPause,
      committed: () => this.#committed(),
    });
  }

  newId(): QueueId {
    return this.#newId();
  }

  hasRoom(size: number): boolean {
    return !(this.#commits.fault?.full === true && this.#commits.refusing) && this.#hasRoom(size);
  }

  draft(id: QueueId): Draft {
    const { paths } = this.#shard;
    return new StoreDraft({
      id,
      spoolThreshold: this.#world.limits.spoolThreshold,
      openSpool: (name) => new SpoolWriter(this.#disk, `${paths.spool}/${name}`),
      syncSpool: () => this.#spoolSync.request(),
      dropSpool: (name) => this.#shard.dropSpool(name),
      append: (envelope, content) => this.#append(envelope, content),
    });
  }

  /** After this resolves the message is ours to deliver or bounce (RFC 5321 §6.1). */
  #append(envelope: Envelope, content: FinishedContent): Promise<void> {
    if (this.#closing) return Promise.reject(new QueueFault("append to the queue", "it is being closed"));
    const spooled = content.is === "spooled";
    const bytes = spooled ? undefined : content.bytes;
    const size = spooled ? content.size : content.bytes.length;
    this.#lastAppend = this.#world.now();
    return new Promise((resolve, reject) => {
      this.#appends.add({
        record: {
          type: RECORD.message,
          flags: (spooled ? FLAG.spooled : 0) | (envelope.hold === true ? FLAG.hold : 0),
          time: envelope.arrival,
          size,
          key: envelope.id,
          meta: JSON.stringify(envelope),
          content: bytes,
        },
        placed: (at) => {
          this.#enter(envelope, { at, size, bytes });
          resolve();
        },
        failed: reject,
      });
      this.#commits.kick();
    });
  }

  #enter(
    envelope: Envelope,
    { at, size, bytes }: {
      readonly at: Location;
      readonly size: number;
      readonly bytes: Uint8Array | undefined;
    },
  ): void {
    const { index, log } = this.#shard;
    const slot = index.add({
      ...at,
      id: envelope.id,
      arrival: envelope.arrival,
      size,
      spooled: bytes === undefined,
    });
    log.claim(at);
    if (envelope.hold === true) {
      index.flags[slot] |= FLAG.hold;
      index.move(slot, QUEUE.hold);
      return;
    }
    this.#recent.put(slot, { envelope, bytes });
    this.#arrived = true;
  }

  onArrival(listener: () => void): void {
    this.#listeners.push(listener);
    const { index } = this.#shard;
    if (index.firstDue(QUEUE.incoming) !== undefined || index.firstDue(QUEUE.deferred) !== undefined) {
      queueMicrotask(listener);
    }
  }

  #announce(): void {
    this.#arrived = false;
    for (const listener of this.#listeners) listener();
  }

  #committed(): void {
    if (this.#arrived) this.#announce();
    this.#compact(false);
    this.#tidyLater();
  }

  #compact(tidy: boolean): void {
    if (this.#closing || this.#world.now() < this.#compactionRests) return;
    this.#compaction.run(tidy).catch(() => {
      this.#compactionRests = this.#world.now() + COMPACTION_PAUSE;
    });
  }

  /** Some time after the last append the log shrinks to what lives. */
  #tidyLater(): void {
    if (this.#closing || this.#cancelIdle !== undefined) return;
    this.#cancelIdle = this.#world.after(this.#world.limits.idleTime, () => {
      this.#cancelIdle = undefined;
      if (this.#world.now() - this.#lastAppend < this.#world.limits.idleTime) return this.#tidyLater();
      this.#tidy();
    });
  }

  #tidy(): void {
    const { log } = this.#shard;
    const { active } = log;
    const { preallocate, slack } = this.#world.limits;
    if (this.#commits.fault !== undefined) return;
    if (active !== undefined && active.end > preallocate && active.live * slack < active.end) {
      this.#commits.whenIdle(() => log.seal());
    }
    this.#compact(true);
  }

  takeDue(now: number, limit: number): QueueId[] {
    const { index } = this.#shard;
    const taken: QueueId[] = [];
    const due = (queue: number) => {
      const slot = index.firstDue(queue);
      return slot !== undefined && index.due[slot] <= now ? slot : undefined;
    };
    while (taken.length < limit) {
      const fresh = due(QUEUE.incoming);
      const late = due(QUEUE.deferred);
      const slot = this.#takeDeferred ? late ?? fresh : fresh ?? late;
      if (slot === undefined) break;
      this.#takeDeferred = !this.#takeDeferred;
      index.move(slot, QUEUE.active);
      taken.push(index.idOf(slot));
    }
    return taken;
  }

  nextDue(): number | undefined {
    const { index } = this.#shard;
    const [fresh, late] = [index.firstDue(QUEUE.incoming), index.firstDue(QUEUE.deferred)];
    if (fresh === undefined) return late === undefined ? undefined : index.due[late];
    return late === undefined ? index.due[fresh] : Math.min(index.due[fresh], index.due[late]);
  }

  async open(id: QueueId): Promise<StoredMessage> {
    const slot = this.#shard.index.find(id);
    if (slot < 0) throw new QueueFault(`open message ${id}`, "it is not in the queue");
    try {
      return await this.#open(slot);
    } catch (error) {
      throw queueFault(`open message ${id}`, error);
    }
  }

  async #open(slot: number): Promise<StoredMessage> {
    const { index, outcomes } = this.#shard;
    const stamp = index.stamp[slot];
    const { envelope, content } = this.#fromMemory(slot) ?? await this.#fromDisk(slot);
    const read = await readStates(this.#shard, slot, envelope.recipients.length);
    if (index.stamp[slot] !== stamp || index.queue[slot] === QUEUE.free) throw new Error("it is gone");
    const states = index.queue[slot] === QUEUE.active ? outcomes.load(slot, [...read]) : read;
    const flags = index.flags[slot];
    return {
      envelope,
      states: [...states],
      content,
      warned: (flags & FLAG.warned) !== 0,
      forcedExpire: (flags & FLAG.expire) !== 0,
    };
  }

  #fromMemory(slot: number): { envelope: Envelope; content: Content } | undefined {
    const recent = this.#recent.get(slot);
    if (recent === undefined) return undefined;
    const { envelope, bytes } = recent;
    return { envelope, content: bytes === undefined ? this.#spooled(slot) : memoryContent(bytes) };
  }

  async #fromDisk(slot: number): Promise<{ envelope: Envelope; content: Content }> {
    const record = await this.#readWhole(slot);
    if (record === undefined) throw new Error("its record is damaged and was set aside");
    const envelope = JSON.parse(record.meta.toString()) as Envelope;
    const spooled = (record.head.flags & FLAG.spooled) !== 0;
    return { envelope, content: spooled ? this.#spooled(slot) : memoryContent(record.content) };
  }

  #spooled(slot: number): Content {
    const { index, paths } = this.#shard;
    return spooledContent(this.#disk, `${paths.spool}/${index.idOf(slot)}`, index.size[slot]);
  }

  /** Reads a record twice before it counts as damaged. */
  async #readWhole(slot: number) {
    const { index } = this.#shard;
    const stamp = index.stamp[slot];
    const same = () => index.stamp[slot] === stamp && index.queue[slot] !== QUEUE.free;
    for (let tries = 0; tries < 2 && same(); tries++) {
      const record = await this.#shard.readMessage(slot);
      if (record !== undefined) return record;
    }
    if (!same()) return undefined;
    await this.#shard.quarantine(slot, "its checksum is wrong");
    this.#recordSoon();
    return undefined;
  }

  record(id: QueueId, changes: readonly RecipientChange[]): void {
    const slot = this.#shard.index.find(id);
    if (slot < 0 || changes.length === 0) return;
    this.#shard.outcomes.change(slot, changes);
    this.#recordSoon();
  }

  defer(
    id: QueueId,
    nextAttempt: number,
    changes: readonly RecipientChange[],
    options?: { readonly warned?: boolean },
  ): void {
    const { index, outcomes } = this.#shard;
    const slot = index.find(id);
    if (slot < 0) return;
    this.#recent.drop(slot);
    outcomes.change(slot, changes);
    index.flags[slot] |= FLAG.deferred | (options?.warned === true ? FLAG.warned : 0);
    index.move(slot, this.#restQueue(slot), nextAttempt);
    outcomes.finish(slot);
    this.#recordSoon();
  }

  /** Where a message waits that is not active. */
  #restQueue(slot: number): number {
    const flags = this.#shard.index.flags[slot];
    if ((flags & FLAG.hold) !== 0) return QUEUE.hold;
    return (flags & FLAG.deferred) !== 0 ? QUEUE.deferred : QUEUE.incoming;
  }

  remove(id: QueueId): void {
    const slot = this.#shard.index.find(id);
    if (slot >= 0) this.#remove(slot);
  }

  #remove(slot: number): void {
    this.#recent.drop(slot);
    this.#shard.remove(slot);
    this.#recordSoon();
  }

  release(id: QueueId): void {
    const { index, outcomes } = this.#shard;
    const slot = index.find(id);
    if (slot < 0 || index.queue[slot] !== QUEUE.active) return;
    index.move(slot, this.#restQueue(slot));
    outcomes.release(slot);
  }

  /** Outcomes ride on the next append's sync, or on one of their own after a short while. */
  #recordSoon(): void {
    this.#cancelOutcomes ??= this.#world.after(this.#world.limits.outcomeDelay, () => {
      this.#cancelOutcomes = undefined;
      if (!this.#closed && this.#shard.outcomes.waiting) this.#commits.kick();
    });
  }

  flush(): Promise<void> {
    return this.#commits.flush();
  }

  hold(ids?: readonly QueueId[]): number {
    const { index } = this.#shard;
    return this.#each(ids, (slot) => {
      if ((index.flags[slot] & FLAG.hold) !== 0) return false;
      index.flags[slot] |= FLAG.hold;
      if (index.queue[slot] !== QUEUE.active) index.move(slot, QUEUE.hold);
      this.#recent.drop(slot);
      return true;
    });
  }

  unhold(ids?: readonly QueueId[]): number {
    const { index } = this.#shard;
    const now = this.#world.now();
    const count = this.#each(ids, (slot) => {
      if ((index.flags[slot] & FLAG.hold) === 0) return false;
      index.flags[slot] &= ~FLAG.hold;
      if (index.queue[slot] === QUEUE.hold) {
        index.flags[slot] |= FLAG.deferred;
        index.move(slot, QUEUE.deferred, now);
      }
      return true;
    });
    if (count > 0) this.#announce();
    return count;
  }

  expire(ids?: readonly QueueId[]): number {
    const { index } = this.#shard;
    return this.#each(ids, (slot) => {
      if ((index.flags[slot] & FLAG.expire) !== 0) return false;
      index.flags[slot] |= FLAG.expire;
      return true;
    });
  }

  /** Calls `change` for each message; where it answers true, the message's marks are written and it counts. */
  #each(ids: readonly QueueId[] | undefined, change: (slot: number) => boolean): number {
    let count = 0;
    for (const slot of this.#slots(ids)) {
      if (!change(slot)) continue;
      this.#shard.outcomes.touch(slot);
      count++;
    }
    if (count > 0) this.#recordSoon();
    return count;
  }

  #slots(ids: readonly QueueId[] | undefined): Iterable<number> {
    const { index } = this.#shard;
    if (ids === undefined) return index.slots();
    return new Set(ids.map((id) => index.find(id)).filter((slot) => slot >= 0));
  }

  delete(ids?: readonly QueueId[]): number {
    let count = 0;
    for (const slot of this.#slots(ids)) {
      this.#remove(slot);
      count++;
    }
    return count;
  }

  retryNow(ids?: readonly QueueId[]): number {
    const { index } = this.#shard;
    const now = this.#world.now();
    let count = 0;
    for (const slot of this.#slots(ids)) {
      if (index.queue[slot] !== QUEUE.deferred) continue;
      index.move(slot, QUEUE.deferred, Math.min(now, index.due[slot]));
      count++;
    }
    if (count > 0) this.#announce();
    return count;
  }

  counts(): QueueCounts {
    const { index, corrupt } = this.#shard;
    return {
      incoming: index.countIn(QUEUE.incoming),
      active: index.countIn(QUEUE.active),
      deferred: index.countIn(QUEUE.deferred),
      hold: index.countIn(QUEUE.hold),
      corrupt,
      bytes: index.bytes,
    };
  }

  list(): AsyncIterable<QueueListing> {
    return listShard(this.#shard);
  }

  async probe(): Promise<number> {
    const { paths } = this.#shard;
    const started = this.#world.now();
    try {
      if (this.#commits.fault !== undefined) await this.#commits.flush();
      const file = this.#disk.exists(paths.probe)
        ? this.#disk.open(paths.probe, "write")
        : this.#disk.create(paths.probe);
      try {
        file.write([Buffer.from(`${started}\n`)], 0);
        await file.sync();
      } finally {
        file.close();
      }
    } catch (error) {
      throw queueFault("write to the queue", error);
    }
    return this.#world.now() - started;
  }

  async adoptOrphans(): Promise<number> {
    let count = 0;
    for (const name of listShards(this.#disk, this.#world.directory)) {
      if (name === this.#shard.name || this.#closing) continue;
      const orphan = await Shard.open({ ...this.#world, name, mode: "write" });
      if (orphan === undefined) continue;
      try {
        count += await this.#adopt(orphan);
      } finally {
        orphan.close();
      }
    }
    return count;
  }

  async #adopt(orphan: Shard): Promise<number> {
    const messages = await adoptShard(orphan, {
      shard: this.#shard,
      appends: this.#appends,
      kick: () => this.#commits.kick(),
      newId: this.#newId,
      step: this.#world.limits.compactionStep,
      syncSpool: () => this.#spoolSync.request(),
      stopped: () => this.#closing,
    });
    if (messages > 0) {
      this.#world.report({ is: "adopted", shard: orphan.name, messages });
      this.#announce();
    }
    return messages;
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#cancelIdle?.();
    await this.#compaction.stop();
    try {
      await this.#commits.flush();
    } catch {
      /* what could not be written stays as the log has it: a message may go out twice, none is lost */
    }
    await this.#commits.idle();
    this.#closed = true;
    this.#cancelOutcomes?.();
    this.#shard.close();
  }
}
