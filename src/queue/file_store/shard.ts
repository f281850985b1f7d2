import type { Disk, DiskLock } from "../../platform/file/disk.ts";
import type { QueueId } from "../envelope.ts";
import { queueFault } from "../fault.ts";
import type { QueueEvent, QueueLimits } from "../log/file_store_options.ts";
import { ShardPlace } from "../log/shard_place.ts";
import { ShardCustody } from "./shard_custody.ts";
import { CorruptFolder } from "./corrupt_folder.ts";
import { assessLoss, idsIn } from "./loss.ts";
import { LogMarks } from "../log/log_marks.ts";
import type { LogMark } from "../log/log_mark.ts";
import { MOST_NAMED, readRoster, type Roster, writeRoster } from "./roster.ts";
import { MessageIndex, QUEUE } from "../index/message_index.ts";
import { Outcomes } from "../log/outcomes.ts";
import { CheckpointFiles } from "../log/checkpoint_files.ts";
import { dropMessage } from "../log/enter_entry.ts";
import type { Damage, Findings, ReplayOptions } from "../log/findings.ts";
import { findLog, type FoundLog, replay } from "../log/replay.ts";
import { Loading } from "./loading.ts";
import { type DecodedRecord, decodeRecord, FLAG } from "../log/record.ts";
import type { Segment } from "../log/segment.ts";
import type { AheadReader } from "../log/ahead_reader.ts";
import { SegmentLog, trim } from "../log/segment_log.ts";
import type { Gap } from "../log/segment_reader.ts";
import { type Loss, QueueFault } from "../store.ts";

/** Where things are below the queue directory. */
function shardPaths(directory: string, name: string) {
  const own = `${directory}/mta/${name}`;
  return {
    own,
    lock: `${own}/lock`,
    log: `${own}/log`,
    spool: `${own}/spool`,
    probe: `${own}/probe`,
    spoolProbe: `${own}/spool/probe`,
    custody: `${own}/custody`,
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

interface DamageSeen {
  readonly ids: readonly string[];
  readonly isNew: boolean;
}

/** What it takes to open a shard. */
export interface ShardOptions {
  readonly directory: string;
  readonly name: string;
  readonly mode: "read" | "write";
  readonly disk: Disk;
  readonly random: () => number;
  readonly now: () => number;
  readonly limits: QueueLimits;
  /** See FileStoreOptions. */
  readonly bySite?: boolean;
  readonly report: (event: QueueEvent) => void;
}

/** A shard that is open: its index in memory, its log and spool on disk, and in write mode its lock. */
export class Shard {
  readonly name: string;
  readonly disk: Disk;
  readonly paths: ReturnType<typeof shardPaths>;
  readonly index: MessageIndex;
  readonly log: SegmentLog;
  readonly checkpoints: CheckpointFiles;
  readonly outcomes: Outcomes;
  readonly corruptFolder: CorruptFolder;
  readonly custody: ShardCustody;
  /** Where it is, as long as it is open for writing. */
  place: ShardPlace | undefined;
  /** Damaged records set aside. */
  corrupt = 0;
  /** The segments that are to be loaded. */
  #found: FoundLog | undefined;
  /** Whether all that replay found is durable. */
  #sure = false;
  /** Whether all that earlier processes left is in the index. */
  isLoaded = false;
  /** Content files that were begun before that. */
  readonly #begun = new Set<string>();
  readonly #leaving = new Set<QueueId>();
  /** Spool files that are being unlinked. */
  readonly #dropping = new Set<Promise<void>>();
  /** Records are missing that were there: content without a message may be theirs. */
  #damagedLog = false;
  /** Messages that damage may have brought back though they were finished: 0 when it is sure, 1 when nobody knows. */
  readonly #doubtful = new Map<QueueId, 0 | 1>();
  readonly #options: ShardOptions;
  readonly #marks: LogMarks;
  #lock: DiskLock | undefined;

  private constructor(options: ShardOptions) {
    const { disk, directory, name, random, limits } = options;
    this.#options = options;
    this.name = name;
    this.index = new MessageIndex(options);
    this.disk = disk;
    this.paths = shardPaths(directory, name);
    this.corruptFolder = new CorruptFolder(disk, this.paths.corrupt, name);
    this.custody = new ShardCustody(disk, this.paths.custody);
    this.#marks = new LogMarks(disk, this.paths.own, limits.block);
    this.checkpoints = new CheckpointFiles({
      disk,
      directory: this.paths.log,
      mode: options.mode,
      bySite: options.bySite ?? false,
    });
    this.log = new SegmentLog({
      disk,
      directory: this.paths.log,
      checkpoints: this.checkpoints,
      random,
      segmentSize: limits.segmentSize,
      preallocate: limits.preallocate,
      block: limits.block,
      marks: this.#marks,
      place: () => this.place,
      living: () => this.#sure ? this.index.count : undefined,
    });
    this.outcomes = new Outcomes(this.index, this.log);
  }

  /**
   * Opens a shard; undefined when another process owns it. New mail can be written to it at once, however much is in it: that is to be
   * loaded, and until then it neither comes due nor may anything be destroyed.
   */
  static async begin(options: ShardOptions): Promise<Shard | undefined> {
    const shard = new Shard(options);
    try {
      if (options.mode === "write" && !shard.#acquire()) return undefined;
      await shard.#find();
      return shard;
    } catch (error) {
      shard.close();
      throw queueFault(`open the queue in ${shard.paths.own}`, error);
    }
  }

  /** Opens and loads a shard; undefined when another process owns it. */
  static async open(options: ShardOptions, stopped: () => boolean = () => false): Promise<Shard | undefined> {
    const shard = await Shard.begin(options);
    try {
      await shard?.load(stopped);
      return shard;
    } catch (error) {
      shard?.close();
      throw error;
    }
  }

  #acquire(): boolean {
    const { own, log, spool, lock, custody } = this.paths;
    for (const path of [own, log, spool, custody]) this.disk.makeDirectory(path);
    this.#lock = this.disk.lock(lock);
    this.place = new ShardPlace(this.disk, [own, log, spool, lock]);
    return this.#lock !== undefined;
  }

  async #find(): Promise<void> {
    if (this.#options.mode === "write") this.custody.find();
    this.corrupt = this.corruptFolder.count;
    this.#found = await findLog(this.#replayOptions);
  }

  get #replayOptions(): ReplayOptions {
    const { mode, limits: { block } } = this.#options;
    const { disk, paths: { log: directory }, index, log, outcomes, checkpoints } = this;
    return { disk, directory, index, log, marks: this.#marks, checkpoints, block, outcomes, mode };
  }

  /**
   * Loads what earlier processes left, oldest first, in short steps: new mail goes on meanwhile, and at the beginning of a service that
   * comes first. Only when all is known does it come due. Answers how many messages there are. Rejects with QueueFault, also as soon as
   * it is `stopped`.
   */
  async load(stopped: () => boolean, isBeginning = false): Promise<number> {
    const loading = new Loading(stopped);
    try {
      if (isBeginning) await loading.afterBeginning(bytesOf(this.#found!));
      return await this.#load(loading);
    } catch (error) {
      throw queueFault(`open the queue in ${this.paths.own}`, error);
    }
  }

  async #load(loading: Loading): Promise<number> {
    const { mode } = this.#options;
    const found = this.#found!;
    this.#found = undefined;
    this.index.reserve(mostMessages(found));
    const findings = await replay(found, { ...this.#replayOptions, pause: () => loading.pause() });
    if (mode === "write") await this.#settleFindings(findings);
    await this.#matchSpool(loading);
    if (mode === "write") await this.custody.match((id) => this.index.find(id) >= 0, this.#sure);
    this.log.loaded();
    const messages = this.index.hidden;
    await loading.each(this.index, (slot) => this.#reveal(slot));
    this.isLoaded = true;
    this.#begun.clear();
    return messages;
  }

  async #settleFindings(findings: Findings): Promise<void> {
    await this.#reportFindings(findings);
    findings.toCut.forEach(trim);
    await this.confirm().catch(() => {}); // a disk in trouble can still be read
  }

  /** What waits for a time that only a clock can have named that has been set back since is due now. */
  #reveal(slot: number): undefined {
    const { now, limits: { longestWait } } = this.#options;
    const { due, queue } = this.index;
    const at = now();
    const latest = queue[slot] === QUEUE.incoming ? at : at + longestWait;
    if (due[slot]! > latest) due[slot] = at;
    this.index.reveal(slot);
    return undefined;
  }

  /** Makes sure that all that replay found is durable, and marks the log as good so far. Rejects when the disk fails. */
  async confirm(): Promise<void> {
    if (this.#sure) return;
    await this.log.confirm();
    await this.log.settle();
    this.#sure = true;
  }

  async #reportFindings(findings: Findings): Promise<void> {
    for (const { segment, gap } of findings.torn) await this.#reportTorn(segment, gap);
    this.#damagedLog = findings.damages.length > 0;
    const contents = this.#damagedLog ? this.#contents() : [];
    const seen: string[] = [];
    let fresh = false;
    for (const damage of findings.damages) {
      const { ids, isNew } = await this.#reportDamage(damage);
      seen.push(...ids);
      fresh ||= isNew;
    }
    const roster = await this.#rosterFor(findings.mark);
    const loss = assessLoss(findings, { index: this.index, roster, seen, contents });
    if (fresh || (!this.#damagedLog && loss.least > 0 && roster !== undefined)) await this.#reportLoss(loss);
    // Records that finished messages may be lost too: then those come back, and go out twice rather than never.
    if (this.#damagedLog) this.#doubt(roster);
  }

  #doubt(roster: Roster | undefined): void {
    const whole = roster !== undefined && roster.ids.length === roster.total;
    const there = new Set(roster?.ids);
    for (let slot = 0; slot < this.index.used; slot++) {
      if (!this.index.isHidden(slot)) continue;
      const id = this.index.idOf(slot);
      if (!there.has(id)) this.#doubtful.set(id, whole ? 0 : 1);
    }
  }

  /** The roster of a clean stop, if nothing was written afterwards; not read where all that was there is there. */
  async #rosterFor(mark: LogMark | undefined): Promise<Roster | undefined> {
    if (mark?.clean !== true) return undefined;
    if (!this.#damagedLog && mark.living === this.index.hidden) return undefined;
    const roster = await readRoster(this.disk, this.paths.own);
    return roster?.mark === mark.sequence ? roster : undefined;
  }

  async #reportLoss(loss: Loss): Promise<void> {
    this.#options.report({ is: "lost", shard: this.name, ...loss });
    if (loss.most !== 0) await this.corruptFolder.report(loss, this.#marks.next).catch(() => {});
  }

  /** What stands behind the mark: nobody relied on it, but the newest is kept, since after a power failure nobody can be sure. */
  async #reportTorn(segment: Segment, { offset, length, marked }: Gap): Promise<void> {
    const where = `${segment.path} byte ${offset}`;
    const { report, limits } = this.#options;
    if (!marked) return report({ is: "torn", where, bytes: length });
    const bytes = Buffer.alloc(Math.min(length, limits.segmentSize));
    await segment.file.read(bytes, offset).catch(() => 0);
    const savedAs = await this.corruptFolder.keepTorn(bytes).catch(() => "");
    report({ is: "torn", where, bytes: length, savedAs });
  }

  /** Sets damaged bytes aside; answers the ids that can be read in them, and whether this damage is new. */
  async #reportDamage({ segment, number, offset, length, present }: Damage): Promise<DamageSeen> {
    const bytes = Buffer.alloc(present);
    await segment?.file.read(bytes, offset).catch(() => 0);
    // What cannot be kept now, as on a full disk, must not keep the rest from being delivered.
    const savedAs = await this.corruptFolder.setAside(number, offset, bytes).catch(() => "");
    const ids = segment === undefined ? [] : idsIn(bytes, segment.nonce);
    if (savedAs === undefined) return { ids, isNew: false };
    if (savedAs !== "") this.corrupt++;
    const where = segment === undefined
      ? `${this.paths.log}, whose segment ${number} is missing`
      : `${segment.path} byte ${offset}${
        present < length ? ` (${length - present} of them are missing)` : ""
      }`;
    this.#options.report({ is: "corrupt", where, bytes: length, savedAs });
    return { ids, isNew: true };
  }

  /** Names of the content files that earlier processes left. */
  #contents(): string[] {
    return this.disk.list(this.paths.spool).filter((name) => !this.#begun.has(name));
  }

  /** Spool files without a message go, unless they may belong to a damaged one; messages without their spool file are set aside. */
  async #matchSpool(loading: Loading): Promise<void> {
    const { spool } = this.paths;
    if (this.#options.mode === "read") return;
    const files = new Set(this.#contents());
    await loading.each(this.index, (slot) => {
      if ((this.index.flags[slot]! & FLAG.spooled) === 0) return undefined;
      const id = this.index.idOf(slot);
      if (files.delete(id) && this.#mayBeWhole(id, this.index.spoolSize(slot))) return undefined;
      // Where that fails the message stays, and cannot be opened.
      return this.quarantine(slot, `${spool}/${id} is missing or cut`).catch(() => {});
    });
    if (!this.#sure) return;
    for (const name of files) {
      await loading.pause();
      if (this.#damagedLog) await this.#setContentAside(name);
      else await this.dropSpool(name);
    }
  }

  /** Moves the content of a message whose record is damaged to corrupt/; at once, and then durably. */
  async #setContentAside(id: string): Promise<void> {
    const from = `${this.paths.spool}/${id}`;
    try {
      const savedAs = await this.corruptFolder.takeContent(from, id);
      if (savedAs === undefined) return;
      this.#options.report({
        is: "corrupt",
        where: `${from} (content without its record)`,
        bytes: 0,
        savedAs,
      });
    } catch { /* it was not there, or it stays where it is */ }
  }

  /** Whether a content file is not cut. One that cannot be opened now keeps no other message from being loaded: its own stays. */
  #mayBeWhole(id: string, size: number): boolean {
    try {
      return this.#spoolSize(id) >= size;
    } catch {
      return true;
    }
  }

  #spoolSize(id: string): number {
    const file = this.disk.open(`${this.paths.spool}/${id}`, "read");
    try {
      return file.size();
    } finally {
      file.close();
    }
  }

  /** Notes that a content file of that name is new: as long as not all is loaded, those that nobody claims are taken for leftovers. */
  beginSpool(id: string): void {
    if (!this.isLoaded) this.#begun.add(id);
  }

  /** Unlinks a spool file; one that stays is found by the next replay. Never rejects. */
  dropSpool(id: string): Promise<void> {
    const dropped = this.disk.unlinkLater(`${this.paths.spool}/${id}`)
      .catch(() => {/* it was not there, or the next start tries again */})
      .finally(() => this.#dropping.delete(dropped));
    this.#dropping.add(dropped);
    return dropped;
  }

  /** The message's record; undefined when it is damaged. Rejects when the disk does not answer or the message is gone. */
  async readMessage(slot: number): Promise<DecodedRecord | undefined> {
    const { index } = this;
    const segment = this.log.get(index.segment[slot]!);
    const bytes = await segment.read(index.offset[slot]!, index.length[slot]!);
    return decodeRecord(bytes, 0, segment.nonce);
  }

  /**
   * Meta of the message's last full state record; undefined when there is none. The same when it is damaged, which is told: all
   * recipients are tried again rather than none.
   */
  async readState(slot: number, reader?: AheadReader): Promise<Buffer | undefined> {
    const { index } = this;
    if (index.stateLength[slot] === 0) return undefined;
    const segment = this.log.get(index.stateSegment[slot]!);
    const [offset, length] = [index.stateOffset[slot]!, index.stateLength[slot]!];
    const bytes = await (reader?.read(segment, offset, length) ?? segment.read(offset, length));
    const meta = decodeRecord(bytes, 0, segment.nonce)?.meta;
    return meta ?? await this.#readStateAgain(segment, offset, length);
  }

  async #readStateAgain(segment: Segment, offset: number, length: number): Promise<Buffer | undefined> {
    const bytes = await segment.read(offset, length);
    const record = decodeRecord(bytes, 0, segment.nonce);
    if (record !== undefined || this.#options.mode === "read") return record?.meta;
    const savedAs = await this.corruptFolder.setAside(segment.number, offset, bytes).catch(() => "");
    if (savedAs === undefined) return undefined;
    if (savedAs !== "") this.corrupt++;
    const where = `${segment.path} byte ${offset} (what is known of a message's recipients)`;
    this.#options.report({ is: "corrupt", where, bytes: length, savedAs });
    return undefined;
  }

  /** Takes a damaged message out of the queue and keeps its bytes in corrupt/. */
  async quarantine(slot: number, why: string): Promise<void> {
    const { index } = this;
    const [stamp, offset, length] = [index.stamp[slot]!, index.offset[slot]!, index.length[slot]!];
    const segment = this.log.get(index.segment[slot]!);
    const bytes = await segment.read(offset, length);
    const savedAs = await this.corruptFolder.setAside(segment.number, offset, bytes);
    if (savedAs !== undefined) this.corrupt++;
    if (index.stamp[slot] !== stamp || index.queue[slot] === 0) return;
    this.#options.report({
      is: "corrupt",
      where: `${segment.path} byte ${offset} (${why})`,
      bytes: length,
      savedAs: savedAs ?? "",
    });
    const [id, most] = [index.idOf(slot), this.#doubtful.get(index.idOf(slot)) ?? 1];
    if (most > 0) await this.#reportLoss({ least: this.#doubtful.has(id) ? 0 : 1, most, ids: [id] });
    if (index.stamp[slot] !== stamp || index.queue[slot] === 0) return;
    const spooled = (index.flags[slot]! & FLAG.spooled) !== 0;
    const kept = spooled ? this.#setContentAside(index.idOf(slot)) : undefined;
    this.remove(slot);
    await kept;
  }

  /** Finishes a message: out of the index at once, out of the log with the next batch, and then its spool file goes. */
  remove(slot: number): void {
    const id = this.index.idOf(slot);
    const spooled = (this.index.flags[slot]! & FLAG.spooled) !== 0;
    if (spooled) this.#leaving.add(id);
    this.outcomes.remove(slot, spooled || this.custody.has(id) ? () => this.#gone(id) : undefined);
    dropMessage(slot, this);
  }

  #gone(id: QueueId): void {
    this.custody.drop(id);
    void this.dropSpool(id).then(() => this.#leaving.delete(id));
  }

  /** Whether a message of that id is finished whose spool file is still to go: no other may take its name. */
  isLeaving(id: QueueId): boolean {
    return this.#leaving.has(id);
  }

  /** Says durably what is in the queue, where that is known, and that nothing will change any more. Rejects when the disk fails. */
  async finish(): Promise<void> {
    if (this.isLoaded) await this.#leaveClean();
    await this.checkpoints.settled();
    await Promise.all(this.#dropping);
  }

  async #leaveClean(): Promise<void> {
    const { index } = this;
    const ids = Array.from(index.slots().subarray(0, MOST_NAMED), (slot) => index.idOf(slot));
    await writeRoster(this.disk, this.paths.own, { mark: this.#marks.next, total: index.count, ids });
    await this.log.finish();
  }

  close(): void {
    this.log.close();
    this.#marks.close();
    this.#lock?.release();
  }
}

function bytesOf({ segments }: FoundLog): number {
  return segments.reduce((sum, { file }) => sum + file.size(), 0);
}

/** Room in the index that what was found may need: not more than so many messages are in it. */
function mostMessages({ segments, known: { expected } }: FoundLog): number {
  return segments.reduce((sum, { number }) => sum + (expected.get(number)?.messages ?? 0), 0);
}

/** An owner that is about to let go, or an adoption, is waited for so many milliseconds. */
const LOCK_WAIT = 10_000;
const LOCK_POLL = 50;

/** Opens a shard for writing, yet to be loaded; one that another process is about to release is waited for. */
export async function openOwnShard(
  options: Omit<ShardOptions, "mode"> & {
    readonly after: (milliseconds: number, call: () => void) => () => void;
  },
): Promise<Shard> {
  for (let waited = 0; waited <= LOCK_WAIT; waited += LOCK_POLL) {
    const shard = await Shard.begin({ ...options, mode: "write" });
    if (shard !== undefined) return shard;
    await new Promise<void>((resolve) => void options.after(LOCK_POLL, resolve));
  }
  throw new QueueFault(
    `open the queue in ${shardPaths(options.directory, options.name).own}`,
    "another process holds its lock",
    { kind: "locked" },
  );
}
