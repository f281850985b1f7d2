import type { Disk, DiskLock } from "../../platform/file/disk.ts";
import type { QueueId } from "../envelope.ts";
import { queueFault } from "../fault.ts";
import type { QueueEvent, QueueLimits } from "../log/file_store_options.ts";
import { MessageIndex } from "../index/message_index.ts";
import { Outcomes } from "../log/outcomes.ts";
import { dropMessage, replay } from "../log/replay.ts";
import { type DecodedRecord, decodeRecord, FLAG } from "../log/record.ts";
import type { Segment } from "../log/segment.ts";
import { SegmentLog } from "../log/segment_log.ts";
import type { Damage } from "../log/segment_reader.ts";
import { QueueFault } from "../store.ts";

/** Where things are below the queue directory. */
function shardPaths(directory: string, name: string) {
  const own = `${directory}/mta/${name}`;
  return {
    own,
    lock: `${own}/lock`,
    log: `${own}/log`,
    spool: `${own}/spool`,
    probe: `${own}/probe`,
    corrupt: `${directory}/mta/corrupt`,
  } as const;
}

/** Name of a worker's shard. */
export function shardName(number: number): string {
  return `shard-${number}`;
}

/** Names of all shards of a queue directory. */
export function listShards(disk: Disk, directory: string): string[] {
  return disk.list(`${directory}/mta`).filter((name) => /^shard-\d+$/.test(name));
}

/** Stands in the names of contents in corrupt/, between shard and id. */
const CONTENT = ".content.";

/** What it takes to open a shard. */
export interface ShardOptions {
  readonly directory: string;
  readonly name: string;
  readonly mode: "read" | "write";
  readonly disk: Disk;
  readonly random: () => number;
  readonly limits: QueueLimits;
  readonly report: (event: QueueEvent) => void;
}

/** A shard that is open: its index in memory, its log and spool on disk, and in write mode its lock. */
export class Shard {
  readonly name: string;
  readonly disk: Disk;
  readonly paths: ReturnType<typeof shardPaths>;
  readonly index = new MessageIndex();
  readonly log: SegmentLog;
  readonly outcomes: Outcomes;
  /** Damaged records set aside. */
  corrupt = 0;
  /** Whether all that replay found is durable. */
  #sure = false;
  readonly #leaving = new Set<QueueId>();
  /** Records are missing that were there: content without a message may be theirs. */
  #damagedLog = false;
  readonly #options: ShardOptions;
  #lock: DiskLock | undefined;

  private constructor(options: ShardOptions) {
    const { disk, directory, name, random, limits } = options;
    this.#options = options;
    this.name = name;
    this.disk = disk;
    this.paths = shardPaths(directory, name);
    this.log = new SegmentLog({
      disk,
      directory: this.paths.log,
      random,
      segmentSize: limits.segmentSize,
      preallocate: limits.preallocate,
    });
    this.outcomes = new Outcomes(this.index, this.log);
  }

  /** Opens and replays a shard; undefined when another process owns it. */
  static async open(options: ShardOptions): Promise<Shard | undefined> {
    const shard = new Shard(options);
    try {
      if (options.mode === "write" && !shard.#acquire()) return undefined;
      await shard.#replay();
      return shard;
    } catch (error) {
      shard.close();
      throw queueFault(`open the queue in ${shard.paths.own}`, error);
    }
  }

  #acquire(): boolean {
    const { own, log, spool, lock } = this.paths;
    for (const path of [own, log, spool]) this.disk.makeDirectory(path);
    this.#lock = this.disk.lock(lock);
    return this.#lock !== undefined;
  }

  async #replay(): Promise<void> {
    const { mode } = this.#options;
    this.corrupt = this.disk.list(this.paths.corrupt)
      .filter((name) => name.startsWith(`${this.name}.`) && !name.includes(CONTENT)).length;
    await replay({
      disk: this.disk,
      directory: this.paths.log,
      index: this.index,
      log: this.log,
      outcomes: this.outcomes,
      mode,
      damaged: (segment, damage) => this.#damaged(segment, damage),
      missing: (segment, bytes) => {
        this.#damagedLog = true;
        this.#options.report({
          is: "corrupt",
          where: `${segment.path} (end is missing)`,
          bytes,
          savedAs: "",
        });
      },
    });
    if (mode === "write") await this.confirm().catch(() => {}); // a disk in trouble can still be read
    await this.#matchSpool();
  }

  /** Makes sure that all that replay found is durable. Rejects when the disk fails. */
  async confirm(): Promise<void> {
    if (this.#sure) return;
    await this.log.confirm();
    this.#sure = true;
  }

  /** A stretch without a record: kept for whoever wants to look, unless it is the rest of a write that nobody relied on. */
  async #damaged(segment: Segment, { offset, length, marked, tail }: Damage): Promise<void> {
    const { mode, report } = this.#options;
    const where = `${segment.path} byte ${offset}`;
    if (mode === "read") return;
    if (!tail) this.#damagedLog = true;
    if (tail && !marked) return report({ is: "torn", where, bytes: length });
    const bytes = Buffer.alloc(tail ? Math.min(length, this.#options.limits.segmentSize) : length);
    await segment.file.read(bytes, offset).catch(() => 0);
    // What cannot be kept now, as on a full disk, must not keep the rest from being delivered.
    const savedAs = await this.#setAside(segment, offset, bytes).catch(() => "");
    if (savedAs !== undefined) report({ is: tail ? "torn" : "corrupt", where, bytes: length, savedAs });
  }

  /** Writes damaged bytes to corrupt/, once; answers the path when it is new. */
  async #setAside(segment: Segment, offset: number, bytes: Uint8Array): Promise<string | undefined> {
    const { corrupt } = this.paths;
    const path = `${corrupt}/${this.name}.${segment.number}.${offset}`;
    if (this.disk.exists(path)) return undefined;
    this.disk.makeDirectory(corrupt);
    const file = this.disk.create(path);
    try {
      file.write([bytes], 0);
      await file.sync();
    } catch (error) {
      this.disk.unlink(path);
      throw error;
    } finally {
      file.close();
    }
    await this.disk.syncDirectory(corrupt);
    this.corrupt++;
    return path;
  }

  /** Spool files without a message go, unless they may belong to a damaged one; messages without their spool file are set aside. */
  async #matchSpool(): Promise<void> {
    const { spool } = this.paths;
    const files = new Set(this.disk.list(spool));
    for (const slot of this.index.slots()) {
      if ((this.index.flags[slot] & FLAG.spooled) === 0) continue;
      const id = this.index.idOf(slot);
      if (files.delete(id) && this.#spoolSize(id) >= this.index.size[slot]) continue;
      if (this.#options.mode === "read") continue;
      // Where that fails the message stays, and cannot be opened.
      await this.quarantine(slot, `${spool}/${id} is missing or cut`).catch(() => {});
    }
    if (this.#options.mode === "read" || !this.#sure) return;
    for (const name of files) {
      if (this.#damagedLog) await this.#setContentAside(name);
      else this.dropSpool(name);
    }
  }

  /** Moves the content of a message whose record is damaged to corrupt/; at once, and then durably. */
  async #setContentAside(id: string): Promise<void> {
    const { corrupt, spool } = this.paths;
    const [from, savedAs] = [`${spool}/${id}`, `${corrupt}/${this.name}${CONTENT}${id}`];
    try {
      this.disk.makeDirectory(corrupt);
      if (this.disk.exists(savedAs)) return;
      this.disk.rename(from, savedAs);
      this.#options.report({
        is: "corrupt",
        where: `${from} (content without its record)`,
        bytes: 0,
        savedAs,
      });
      await this.disk.syncDirectory(corrupt);
    } catch { /* it was not there, or it stays where it is */ }
  }

  #spoolSize(id: string): number {
    const file = this.disk.open(`${this.paths.spool}/${id}`, "read");
    try {
      return file.size();
    } finally {
      file.close();
    }
  }

  /** Unlinks a spool file; one that stays is found by the next replay. */
  dropSpool(id: string): void {
    try {
      this.disk.unlink(`${this.paths.spool}/${id}`);
    } catch { /* it was not there, or the next start tries again */ }
  }

  /** The message's record; undefined when it is damaged. Rejects when the disk does not answer or the message is gone. */
  async readMessage(slot: number): Promise<DecodedRecord | undefined> {
    const { index } = this;
    const segment = this.log.get(index.segment[slot]);
    const bytes = await segment.read(index.offset[slot], index.length[slot]);
    return decodeRecord(bytes, 0, segment.nonce);
  }

  /** Meta of the message's last full state record; undefined when there is none or it is damaged. */
  async readState(slot: number): Promise<Buffer | undefined> {
    const { index } = this;
    if (index.stateLength[slot] === 0) return undefined;
    const segment = this.log.get(index.stateSegment[slot]);
    const bytes = await segment.read(index.stateOffset[slot], index.stateLength[slot]);
    return decodeRecord(bytes, 0, segment.nonce)?.meta;
  }

  /** Takes a damaged message out of the queue and keeps its bytes in corrupt/. */
  async quarantine(slot: number, why: string): Promise<void> {
    const { index } = this;
    const [stamp, offset, length] = [index.stamp[slot], index.offset[slot], index.length[slot]];
    const segment = this.log.get(index.segment[slot]);
    const bytes = await segment.read(offset, length);
    const savedAs = await this.#setAside(segment, offset, bytes) ?? "";
    if (index.stamp[slot] !== stamp || index.queue[slot] === 0) return;
    this.#options.report({
      is: "corrupt",
      where: `${segment.path} byte ${offset} (${why})`,
      bytes: length,
      savedAs,
    });
    const spooled = (index.flags[slot] & FLAG.spooled) !== 0;
    const kept = spooled ? this.#setContentAside(index.idOf(slot)) : undefined;
    this.remove(slot);
    await kept;
  }

  /** Finishes a message: out of the index at once, out of the log with the next batch, and then its spool file goes. */
  remove(slot: number): void {
    const id = this.index.idOf(slot);
    const spooled = (this.index.flags[slot] & FLAG.spooled) !== 0;
    if (spooled) this.#leaving.add(id);
    this.outcomes.remove(slot, spooled ? () => this.#gone(id) : undefined);
    dropMessage(slot, this);
  }

  #gone(id: QueueId): void {
    this.dropSpool(id);
    this.#leaving.delete(id);
  }

  /** Whether a message of that id is finished whose spool file is still to go: no other may take its name. */
  isLeaving(id: QueueId): boolean {
    return this.#leaving.has(id);
  }

  close(): void {
    this.log.close();
    this.#lock?.release();
  }
}

/** An owner that is about to let go, or an adoption, is waited for so many milliseconds. */
const LOCK_WAIT = 10_000;
const LOCK_POLL = 50;

/** Opens a shard for writing; one that another process is about to release is waited for. */
export async function openOwnShard(
  options: Omit<ShardOptions, "mode"> & {
    readonly after: (milliseconds: number, call: () => void) => () => void;
  },
): Promise<Shard> {
  for (let waited = 0; waited <= LOCK_WAIT; waited += LOCK_POLL) {
    const shard = await Shard.open({ ...options, mode: "write" });
    if (shard !== undefined) return shard;
    await new Promise<void>((resolve) => void options.after(LOCK_POLL, resolve));
  }
  throw new QueueFault(
    `open the queue in ${shardPaths(options.directory, options.name).own}`,
    "another process holds its lock",
    { kind: "locked" },
  );
}
