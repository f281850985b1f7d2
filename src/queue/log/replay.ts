import type { Disk } from "../../platform/file/disk.ts";
import { type MessageIndex, QUEUE } from "../index/message_index.ts";
import type { Outcomes } from "./outcomes.ts";
import {
  decodeHead,
  decodeRecord,
  FLAG,
  RECORD,
  RECORD_VERSION,
  type RecordHead,
  recordLength,
} from "./record.ts";
import { parseQueueId } from "../queue_id.ts";
import { Segment } from "./segment.ts";
import type { SegmentLog, SegmentMeta } from "./segment_log.ts";
import { type Damage, SegmentReader } from "./segment_reader.ts";
import { parseChanges, parseInheritance } from "./states.ts";
import { QueueFault } from "../store.ts";

/** Where replay puts what it finds. */
export interface ReplayOptions {
  readonly disk: Disk;
  /** Where the segments are. */
  readonly directory: string;
  readonly index: MessageIndex;
  readonly log: SegmentLog;
  readonly outcomes: Outcomes;
  readonly mode: "read" | "write";
  /** A stretch that is no record; `bytes` reads it. */
  readonly damaged: (segment: Segment, damage: Damage) => Promise<void>;
  /** Records of an earlier segment that are not there any more. */
  readonly missing: (segment: Segment, bytes: number) => void;
}

interface Known {
  /** Durable length of segments, from the headers of later ones. */
  readonly ends: Map<number, number>;
  /** Where what was refused begins. */
  readonly voids: Map<number, number>;
}

/** Rebuilds index and log from the segments of a directory, older first. Only an unknown version makes it refuse. */
export async function replay(options: ReplayOptions): Promise<void> {
  const segments = openSegments(options);
  const known = await readHeaders(segments);
  for (const segment of segments) {
    options.log.adopt(segment);
    await replaySegment(segment, known, options);
  }
}

function openSegments({ disk, directory, mode }: ReplayOptions): Segment[] {
  return disk.list(directory)
    .map((name) => Segment.open(disk, directory, name, mode))
    .filter((segment) => segment !== undefined)
    .sort((one, other) => one.number - other.number);
}

async function readHeaders(segments: readonly Segment[]): Promise<Known> {
  const known: Known = { ends: new Map(), voids: new Map() };
  for (const segment of segments) {
    const meta = await readHeader(segment);
    if (meta?.previous !== undefined) known.ends.set(meta.previous[0], meta.previous[1]);
    for (const [number, from] of meta?.voids ?? []) {
      known.voids.set(number, Math.min(from, known.voids.get(number) ?? Infinity));
    }
  }
  return known;
}

async function readHeader(segment: Segment): Promise<SegmentMeta | undefined> {
  const size = segment.file.size();
  const bytes = Buffer.alloc(Math.min(size, 64 * 1024));
  await segment.file.read(bytes, 0);
  const record = decodeRecord(bytes, 0, segment.nonce);
  if (record?.head.type !== RECORD.segment) return undefined;
  return JSON.parse(record.meta.toString()) as SegmentMeta;
}

async function replaySegment(segment: Segment, known: Known, options: ReplayOptions): Promise<void> {
  const size = segment.file.size();
  const end = Math.min(size, known.voids.get(segment.number) ?? Infinity);
  const reader = new SegmentReader(segment.file, segment.nonce, end);
  segment.end = await reader.walk({
    record: (bytes, at, offset) => replayRecord(bytes, at, { segment, offset, options }),
    damage: (damage) => options.damaged(segment, damage),
  });
  const expected = known.ends.get(segment.number) ?? 0;
  if (segment.end < expected) options.missing(segment, expected - segment.end);
  else if (options.mode === "write" && segment.end < size && !reader.unreadable) cut(segment);
}

/** Gives back what is behind the last record: reserved space, or a write that was never finished or refused. */
function cut(segment: Segment): void {
  try {
    segment.cut();
  } catch { /* a disk that cannot be written to shows itself at the first append */ }
}

interface Found {
  readonly segment: Segment;
  readonly offset: number;
  readonly options: ReplayOptions;
}

function replayRecord(bytes: Buffer, at: number, found: Found): void {
  const head = decodeHead(bytes, at, found.segment.nonce)!;
  if (head.version !== RECORD_VERSION) throw newer(found, `record version ${head.version}`);
  const { segment, offset } = found;
  if (head.batch !== segment.lastBatch.number) segment.lastBatch = { number: head.batch, offset };
  const length = recordLength(bytes, at);
  const meta = () => {
    const end = at + length - head.contentLength;
    return bytes.subarray(end - head.metaLength, end);
  };
  switch (head.type) {
    case RECORD.message:
      return replayMessage(head, length, meta, found);
    case RECORD.state:
      return replayState(head, length, meta, found);
    case RECORD.removed:
      return replayRemoved(meta().toString("latin1"), found);
    case RECORD.segment:
      return;
    default:
      throw newer(found, `record type ${head.type}`);
  }
}

function newer({ segment, offset }: Found, what: string): QueueFault {
  return new QueueFault(
    `read ${segment.path}`,
    `${what} at byte ${offset} is unknown: it was written by a newer version of this program; start that one`,
  );
}

function replayMessage(head: RecordHead, length: number, meta: () => Buffer, found: Found): void {
  if (parseQueueId(head.key) === undefined) return;
  const { segment, offset, options: { index, log, outcomes } } = found;
  const at = { segment: segment.number, offset, length };
  // A copy that compaction made while the original is still there does not count: its state may be missing, and all that was
  // recorded since the original stands before it, in segments that would go too early.
  if (index.find(head.key) >= 0) return;
  const spooled = (head.flags & FLAG.spooled) !== 0;
  const slot = index.add({ ...at, id: head.key, arrival: head.time, size: head.size, spooled });
  log.claim(at);
  if ((head.flags & (FLAG.inherits | FLAG.hold)) === 0) return;
  if ((head.flags & FLAG.inherits) === 0) return mark(slot, FLAG.hold, head.time, index);
  const { flags, due, states } = parseInheritance(meta());
  mark(slot, flags, due, index);
  if (states !== undefined) outcomes.replay(slot, states.map((state, at) => ({ index: at, state })));
}

/** Enters the flags and the due time of a state, and the queue that follows from them. */
function mark(slot: number, flags: number, due: number, index: MessageIndex): void {
  index.flags[slot] = (index.flags[slot] & FLAG.spooled) | (flags & ~(FLAG.spooled | FLAG.delta));
  const held = (flags & FLAG.hold) !== 0;
  const deferred = (flags & FLAG.deferred) !== 0;
  index.move(slot, held ? QUEUE.hold : deferred ? QUEUE.deferred : QUEUE.incoming, due);
}

function replayState(head: RecordHead, length: number, meta: () => Buffer, found: Found): void {
  const { index, log, outcomes } = found.options;
  const slot = index.find(head.key);
  if (slot < 0) return;
  mark(slot, head.flags, head.time, index);
  if ((head.flags & FLAG.delta) !== 0) {
    if (head.metaLength > 0) outcomes.replay(slot, parseChanges(meta()));
    return;
  }
  outcomes.forget(slot);
  log.release(index.stateSegment[slot], index.stateLength[slot]);
  index.stateSegment[slot] = found.segment.number;
  index.stateOffset[slot] = found.offset;
  index.stateLength[slot] = length;
  found.segment.live += length;
}

function replayRemoved(ids: string, { options }: Found): void {
  for (const id of ids.split(" ")) {
    const slot = options.index.find(id);
    if (slot >= 0) dropMessage(slot, options);
  }
}

/** Takes a message out of index and log. */
export function dropMessage(
  slot: number,
  { index, log, outcomes }: Pick<ReplayOptions, "index" | "log" | "outcomes">,
): void {
  log.release(index.segment[slot], index.length[slot]);
  log.release(index.stateSegment[slot], index.stateLength[slot]);
  outcomes.forget(slot);
  index.remove(slot);
}
