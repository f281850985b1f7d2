import { goingOn } from "../../base/clock.ts";
import type { Disk } from "../../platform/file/disk.ts";
import { adoptOrphans } from "./adopt.ts";
import { Appends } from "../log/appends.ts";
import { BodyBlocks } from "./body_blocks.ts";
import { Compaction } from "../log/compaction.ts";
import { type FinishedContent, StoreDraft } from "./draft.ts";
import type { Envelope, QueueId } from "../envelope.ts";
import { GroupCommit } from "../log/group_commit.ts";
import { findListing, listShard } from "./listing.ts";
import { type Location, QUEUE } from "../index/message_index.ts";
import { type SiteKey, sitesOf } from "../index/site_index.ts";
import { MessageOpener } from "./message_opener.ts";
import { Moves } from "./moves.ts";
import { Operator } from "./operator.ts";
import { parseQueueId, queueIdSource } from "../queue_id.ts";
import { RecentMessages } from "./recent.ts";
import { FLAG, printSpooled, RECORD } from "../log/record.ts";
import { describeDamage } from "./corrupt_folder.ts";
import { Health } from "./health.ts";
import type { Shard } from "./shard.ts";
import type { ShardCustody } from "./shard_custody.ts";
import { SharedSync, SpoolWriter } from "../log/spool.ts";
import type { StoreWorld } from "./store_world.ts";
import { Upkeep } from "./upkeep.ts";
import {
  type Draft,
  type Moved,
  type MoveEffect,
  type QueueCounts,
  QueueFault,
  type QueueListing,
  type QueueMove,
  type QueueStore,
  type RecipientChange,
  type Selection,
  type StoredMessage,
  type Wanted,
} from "../store.ts";

interface NewMessage {
  readonly envelope: Envelope;
  readonly content: FinishedContent;
  readonly sites: () => readonly SiteKey[];
}

export interface OpenWorld extends StoreWorld {
  /** A service begins with it, and has better to do than to load it. */
  readonly isBeginning: boolean;
}

/** The embedded store: a shard's log, and what goes on around it. */
export class FileStore implements QueueStore {
  readonly ownership = "worker";
  readonly loaded: Promise<void>;
  readonly custody: ShardCustody;
  readonly #shard: Shard;
  readonly #world: OpenWorld;
  /** For pauses and intervals: it goes on when the clock is set back. */
  readonly #now: () => number;
  readonly #disk: Disk;
  readonly #appends = new Appends();
  readonly #compaction: Compaction;
  readonly #commits: GroupCommit;
  readonly #recent: RecentMessages;
  readonly #bodyBlocks: BodyBlocks;
  readonly #opener: MessageOpener;
  readonly #operator: Operator;
  readonly #moves: Moves;
  readonly #spoolSync: SharedSync;
  readonly #newId: () => QueueId;
  readonly #health: Health;
  readonly #upkeep: Upkeep;
  readonly #listeners: (() => void)[] = [];
  /** Messages that wait for the files that they were made of to be gone. */
  readonly #replacing = new Set<Promise<void>>();
  readonly #recallers: ((id: QueueId, effect: MoveEffect) => void)[] = [];
  #takeDeferred = false;
  #arrived = false;
  #closing = false;
  #adoption: Promise<number> | undefined;
  /**
   * Messages that were refused while they were to replace others, and whose record a crash may bring back: without their content
   * both would be gone.
   */
  readonly #refused = new Set<QueueId>();
  /** What was taken from shards whose adoption failed. */
  readonly #taken = new Map<string, Set<QueueId>>();
  #cancelOutcomes: (() => void) | undefined;

  constructor(shard: Shard, number: number, world: OpenWorld) {
    const { disk, limits, now, settings, random } = world;
    this.#shard = shard;
    this.custody = shard.custody;
    this.#world = world;
    this.#now = goingOn(world.now);
    this.#disk = disk;
    this.#recent = new RecentMessages(limits.cacheBytes);
    this.#bodyBlocks = new BodyBlocks(limits.bodyBytes);
    this.#opener = new MessageOpener(shard, this.#recent, () => this.#recordSoon());
    this.#operator = new Operator({
      shard,
      now,
      announce: () => this.#announce(),
    });
    this.#moves = new Moves({
      shard,
      recent: this.#recent,
      now,
      step: limits.moveStep,
      flush: () => this.#settled(),
      announce: () => this.#announce(),
      recall: (id, effect) => this.#recallers.forEach((listener) => listener(id, effect)),
    });
    this.#spoolSync = new SharedSync(() => disk.syncDirectory(shard.paths.spool));
    this.#newId = queueIdSource({
      shard: number,
      long: () => settings.enable_long_queue_ids || !shard.isLoaded,
      now,
      random,
      taken: (id) => shard.index.find(id) >= 0 || shard.custody.has(id),
    });
    this.#compaction = this.#makeCompaction();
    this.#commits = this.#makeCommits();
    this.#health = new Health({ shard, world, now: this.#now, commits: this.#commits });
    this.#upkeep = new Upkeep({
      shard,
      world,
      now: this.#now,
      compaction: this.#compaction,
      commits: this.#commits,
      bodyBlocks: this.#bodyBlocks,
    });
    this.loaded = this.#load();
    this.loaded.catch(() => {}); // for whoever waits for it
    this.#upkeep.tidyLater();
    this.#health.checkLater();
  }

  async #load(): Promise<void> {
    const { report, isBeginning } = this.#world;
    const started = this.#now();
    const messages = await this.#shard.load(() => this.#closing, isBeginning);
    const { log: { bytes }, outcomes } = this.#shard;
    report({ is: "replayed", messages, bytes, milliseconds: this.#now() - started });
    if (outcomes.waiting) this.#recordSoon();
    this.#upkeep.tidyLater();
    this.#announce();
  }

  #makeCompaction(): Compaction {
    const { limits } = this.#world;
    return new Compaction({
      index: this.#shard.index,
      log: this.#shard.log,
      checkpoints: this.#shard.checkpoints,
      outcomes: this.#shard.outcomes,
      step: limits.compactionStep,
      slack: limits.slack,
      slackBytes: limits.slackBytes,
      kick: () => this.#commits.kick(),
      readMessage: (slot) => this.#opener.readWhole(slot),
      readState: (slot) => this.#shard.readState(slot),
    });
  }

  #makeCommits(): GroupCommit {
    const { input, report, after, limits } = this.#world;
    return new GroupCommit({
      log: this.#shard.log,
      sources: [this.#shard.outcomes, this.#compaction, this.#appends],
      now: this.#now,
      report,
      after,
      input,
      gatherTime: limits.gatherTime,
      troubled: (fault) => {
        this.#health.wrote(fault);
        if (fault === undefined) this.#dropRefused();
      },
      faultPause: limits.faultPause,
      committed: () => this.#committed(),
    });
  }

  newId(): QueueId {
    return this.#newId();
  }

  refusal(size: number): QueueFault | undefined {
    return this.#health.refusal(size);
  }

  get trouble(): QueueFault | undefined {
    return this.#health.trouble;
  }

  draft(id: QueueId): Draft {
    const { paths } = this.#shard;
    return new StoreDraft({
      id,
      spoolThreshold: this.#world.limits.spoolThreshold,
      bodyBlocks: this.#bodyBlocks,
      openSpool: (name) => {
        this.#shard.beginSpool(name);
        return new SpoolWriter(this.#disk, `${paths.spool}/${name}`);
      },
      syncSpool: () => this.#spoolSync.request(),
      confirmSpool: (path, identity) => this.#shard.place?.confirm(path, identity),
      dropSpool: (name) => {
        if (!this.#refused.has(name)) void this.#shard.dropSpool(name);
      },
      spooled: (fault) => this.#health.spooled(fault),
      append: (envelope, content) => this.#append(envelope, content),
    });
  }

  /** The log is written again, and says that nothing of what was refused counts. */
  #dropRefused(): void {
    for (const id of this.#refused) void this.#shard.dropSpool(id);
    this.#refused.clear();
  }

  /** After this resolves the message is ours to deliver or bounce (RFC 5321 §6.1). */
  #append(envelope: Envelope, content: FinishedContent): Promise<void> {
    if (this.#closing) return Promise.reject(new QueueFault("append to the queue", "it is being closed"));
    const { bytes, checksum, size } = content;
    const spooled = checksum !== undefined;
    let known: readonly SiteKey[] | undefined;
    const sites = () => known ??= sitesOf(envelope.recipients.map(({ address }) => address));
    const old = envelope.replaces === undefined ? undefined : this.#replaced(envelope.replaces);
    this.#upkeep.appending();
    return new Promise((resolve, reject) => {
      this.#appends.add({
        record: {
          type: RECORD.message,
          flags: (spooled ? FLAG.spooled : 0) | (envelope.hold === true ? FLAG.hold : 0) |
            (old === undefined ? 0 : FLAG.replaces),
          time: envelope.arrival,
          size,
          key: envelope.id,
          meta: JSON.stringify(envelope),
          content: spooled ? printSpooled(checksum, bytes) : bytes,
        },
        sites,
        refusal: () => old?.isThere() === false ? old.fault : undefined,
        placed: (at) => {
          const slot = this.#enter({ envelope, content, sites }, at);
          // Where it was deleted while this was written, so is what took its place.
          if (old !== undefined) this.#remove(old.isThere() ? old.slot : slot);
          resolve();
        },
        failed: (fault, written) => {
          if (written && spooled && old !== undefined) this.#refused.add(envelope.id);
          reject(fault);
        },
      });
      this.#commits.kick();
    });
  }

  /** The message that a new one takes the place of, if it is still there when the new one is written. */
  #replaced(id: QueueId) {
    const { index } = this.#shard;
    const slot = index.find(id);
    const stamp = index.stamp[slot];
    const isThere = () => slot >= 0 && index.stamp[slot] === stamp && index.queue[slot] !== QUEUE.free;
    return { slot, isThere, fault: new QueueFault(`take the place of message ${id}`, "it is gone") };
  }

  #enter({ envelope, content, sites }: NewMessage, at: Location): number {
    const { index, log } = this.#shard;
    const { bytes, checksum, size, body } = content;
    const slot = index.add({
      ...at,
      id: parseQueueId(envelope.id)!,
      arrival: envelope.arrival,
      size,
      head: checksum === undefined ? 0 : bytes.length,
      spooled: checksum !== undefined,
      sites,
    });
    log.claim(at);
    if (this.custody.has(envelope.id)) this.#replaceFile(envelope.id, slot);
    if (envelope.hold === true) {
      body?.drop();
      index.flags[slot]! |= FLAG.hold;
      index.move(slot, QUEUE.hold);
      return slot;
    }
    this.#recent.put(slot, { envelope, bytes, checksum, body });
    this.#arrived = true;
    return slot;
  }

  /** Nobody delivers a message before the file that it is made of is gone for good: it would come again. */
  #replaceFile(id: QueueId, slot: number): void {
    this.#shard.index.move(slot, QUEUE.active);
    const replaced = this.custody.committed(id).then(() => {
      this.#replacing.delete(replaced);
      this.release(id);
      this.#announce();
    });
    this.#replacing.add(replaced);
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
    this.#upkeep.committed();
  }

  async takeDue(now: number, limit: number): Promise<readonly QueueId[]> {
    const { index } = this.#shard;
    const taken: QueueId[] = [];
    const due = (queue: number) => {
      const slot = index.firstDue(queue);
      return slot !== undefined && index.due[slot]! <= now ? slot : undefined;
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

  async nextDue(): Promise<number | undefined> {
    const { index } = this.#shard;
    const [fresh, late] = [index.firstDue(QUEUE.incoming), index.firstDue(QUEUE.deferred)];
    if (fresh === undefined) return late === undefined ? undefined : index.due[late];
    return late === undefined ? index.due[fresh] : Math.min(index.due[fresh]!, index.due[late]!);
  }

  open(id: QueueId): Promise<StoredMessage> {
    return this.#isKnown(id) ? this.#opener.open(id) : this.loaded.then(() => this.#opener.open(id));
  }

  /** Whether all is in memory that there is of a message. */
  #isKnown(id: QueueId): boolean {
    const { isLoaded, index } = this.#shard;
    if (isLoaded) return true;
    const slot = index.find(id);
    return slot >= 0 && !index.isHidden(slot);
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
    index.flags[slot]! |= FLAG.deferred | (options?.warned === true ? FLAG.warned : 0);
    index.move(slot, this.#restQueue(slot), nextAttempt);
    outcomes.finish(slot);
    this.#recordSoon();
  }

  /** Where a message waits that is not active. */
  #restQueue(slot: number): number {
    const flags = this.#shard.index.flags[slot]!;
    if ((flags & FLAG.hold) !== 0) return QUEUE.hold;
    return (flags & FLAG.deferred) !== 0 ? QUEUE.deferred : QUEUE.incoming;
  }

  remove(id: QueueId): boolean {
    const slot = this.#shard.index.find(id);
    if (slot < 0) return false;
    this.#remove(slot);
    return true;
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
      if (this.#shard.outcomes.waiting) this.#commits.kick();
    });
  }

  flush(): Promise<void> {
    return this.#commits.flush();
  }

  async *move(move: QueueMove, selection: Selection = {}): AsyncIterable<readonly Moved[]> {
    await this.loaded;
    yield* this.#moves.move(move, selection);
  }

  /** What was deleted does not come again from the file that it was made of. */
  async #settled(): Promise<void> {
    await Promise.all(this.#replacing);
    await this.flush();
  }

  onRecall(listener: (id: QueueId, effect: MoveEffect) => void): void {
    this.#recallers.push(listener);
  }

  async retryNow(ids?: readonly QueueId[]): Promise<number> {
    await this.loaded;
    return await this.#operator.retryNow(ids);
  }

  async retrySite(site: string): Promise<number> {
    await this.loaded;
    return await this.#operator.retrySite(site);
  }

  async counts(): Promise<QueueCounts> {
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

  async find(id: QueueId): Promise<QueueListing | undefined> {
    await this.loaded;
    return await findListing(this.#shard, id);
  }

  async *list(wanted?: Wanted): AsyncIterable<QueueListing> {
    await this.loaded;
    yield* listShard(this.#shard, wanted, (slot) => this.#opener.readWhole(slot).catch(() => {}));
  }

  async probe(): Promise<number> {
    const started = this.#now();
    await this.#health.probe();
    return this.#now() - started;
  }

  async damage(): Promise<string | undefined> {
    return describeDamage(this.#shard.corruptFolder.isEmpty, await this.#shard.corruptFolder.losses());
  }

  adoptOrphans(): Promise<number> {
    if (this.#closing) return Promise.reject(new QueueFault("adopt messages", "the queue is being closed"));
    return this.#adoption ??= this.loaded.then(() => this.#adoptOrphans())
      .finally(() => this.#adoption = undefined);
  }

  #adoptOrphans(): Promise<number> {
    return adoptOrphans(this.#world, {
      shard: this.#shard,
      appends: this.#appends,
      kick: () => this.#commits.kick(),
      newId: this.#newId,
      step: this.#world.limits.compactionStep,
      syncSpool: () => this.#spoolSync.request(),
      stopped: () => this.#closing,
      announce: () => this.#announce(),
      taken: this.#taken,
    });
  }

  async close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#upkeep.end();
    this.#health.end();
    await this.#compaction.stop();
    await this.loaded.catch(() => {}); // it stops in the middle, and the next start finds all as it was
    await this.#adoption?.catch(() => {});
    await this.#upkeep.ended();
    await this.#health.ended();
    try {
      await this.#commits.flush();
    } catch {
      /* what could not be written stays as the log has it: a message may go out twice, none is lost */
    }
    await this.#commits.close();
    await Promise.all(this.#replacing);
    this.#cancelOutcomes?.();
    if (this.#commits.fault === undefined) await this.#shard.finish().catch(() => {}); // the last group's mark stands
    this.#shard.close();
  }
}
