import type { Disk } from "../../platform/file/disk.ts";
import { decodeMarks, hasRottenMark, type LogMark } from "./log_mark.ts";
import type { LogMarks } from "./log_marks.ts";
import { type MessageIndex, QUEUE } from "../index/message_index.ts";
import type { Outcomes } from "./outcomes.ts";
import {
  decodeHead,
  decodeRecord,
  FLAG,
  HEADER_LENGTH,
  headLength,
  RECORD,
  RECORD_VERSION,
  type RecordHead,
  recordLength,
} from "./record.ts";
import { parseQueueId } from "../queue_id.ts";
import { Segment } from "./segment.ts";
import type { SegmentLog } from "./segment_log.ts";
import { type SegmentMeta, segmentMeta } from "./segment_meta.ts";
import { type Gap, SegmentReader } from "./segment_reader.ts";
import { parseChanges, parseInheritance } from "./states.ts";
import { parseEnvelope, readStored, storedSites } from "./stored.ts";
import { QueueFault } from "../store.ts";

/** Where replay puts what it finds. */
export interface ReplayOptions {
  readonly disk: Disk;
  /** Where the segments are. */
  readonly directory: string;
  readonly index: MessageIndex;
  readonly log: SegmentLog;
  readonly marks: LogMarks;
  /** Unit in which headers and marks are laid out. */
  readonly block: number;
  readonly outcomes: Outcomes;
  readonly mode: "read" | "write";
}

/** What the log says of a segment: how much of it is durable, and how many message records are in that. */
interface Expected {
  readonly end: number;
  /** Undefined when that cannot be known. */
  readonly messages: number | undefined;
}

interface Known {
  readonly expected: Map<number, Expected>;
  /** Where what was refused begins. */
  readonly voids: Map<number, number>;
  /** The newest mark. */
  mark: LogMark | undefined;
}

/** Bytes below the mark that are no records any more. */
export interface Damage {
  /** Undefined when the whole file is missing. */
  readonly segment: Segment | undefined;
  readonly number: number;
  readonly offset: number;
  /** Bytes that were there. */
  readonly length: number;
  /** Bytes of them that are there still. */
  readonly present: number;
}

/** What replay found beside the messages. */
export interface Findings {
  readonly damages: Damage[];
  /** Unfinished writes behind the mark. */
  readonly torn: { readonly segment: Segment; readonly gap: Gap }[];
  /** Segments with reserved space, or a write that was never finished or refused, behind their last record. */
  readonly toCut: Segment[];
  /** Message records that were below the mark and are not; undefined when that cannot be known. */
  lostRecords: number | undefined;
  /** Ids of messages that are spoken of but were not found. */
  readonly unknown: Set<string>;
  /** Ids of messages that were not found and are finished. */
  readonly finished: Set<string>;
  /** Messages that left after the newest mark. */
  leftSince: number;
  /** The newest mark. */
  readonly mark: LogMark | undefined;
}

/** Rebuilds index and log from the segments of a directory, older first. Only an unknown version makes it refuse. */
export async function replay(options: ReplayOptions): Promise<Findings> {
  const segments = openSegments(options);
  const known = await readHeaders(segments, options);
  const findings: Findings = {
    damages: [],
    torn: [],
    toCut: [],
    lostRecords: 0,
    unknown: new Set(),
    finished: new Set(),
    leftSince: 0,
    mark: known.mark,
  };
  for (const segment of segments) {
    options.log.adopt(segment);
    await replaySegment(segment, known, { options, findings });
  }
  findMissing(segments, known, findings);
  return findings;
}

function openSegments({ disk, directory, mode }: ReplayOptions): Segment[] {
  return disk.list(directory)
    .map((name) => Segment.open(disk, directory, name, mode))
    .filter((segment) => segment !== undefined)
    .sort((one, other) => one.number - other.number);
}

/** What headers and marks say, before any record is read. */
async function readHeaders(segments: readonly Segment[], options: ReplayOptions): Promise<Known> {
  const known: Known = { expected: new Map(), voids: new Map(), mark: undefined };
  const beside = await options.marks.read(options.mode);
  const within: LogMark[] = [];
  for (const segment of segments) {
    const { meta, found } = await readHeader(segment, options.block);
    if (meta?.previous !== undefined) {
      expect(known, meta.previous[0], { end: meta.previous[1], messages: undefined });
    }
    for (const [number, end, messages] of meta?.before ?? []) expect(known, number, { end, messages });
    for (const [number, from] of meta?.voids ?? []) {
      known.voids.set(number, Math.min(from, known.voids.get(number) ?? Infinity));
    }
    within.push(...found);
  }
  for (const mark of [...beside, ...within]) {
    options.log.follow(mark);
    if (mark.sequence > (known.mark?.sequence ?? 0)) known.mark = mark;
  }
  // The file beside the log may be behind: its syncs are not the group commit's.
  for (const { newest, clean } of beside) {
    expect(known, newest.number, clean ? newest : { end: newest.end, messages: undefined });
  }
  for (const { newest } of within) expect(known, newest.number, newest);
  for (const { before } of [...beside, ...within]) expect(known, before.number, before);
  return known;
}

function expect({ expected }: Known, number: number, { end, messages }: Expected): void {
  const known = expected.get(number);
  if (end === known?.end) expected.set(number, { end, messages: messages ?? known.messages });
  else if (number > 0 && end > (known?.end ?? 0)) expected.set(number, { end, messages });
}

interface Header {
  readonly meta: SegmentMeta | undefined;
  readonly found: readonly LogMark[];
}

async function readHeader(segment: Segment, block: number): Promise<Header> {
  const size = segment.file.size();
  const bytes = Buffer.alloc(Math.min(size, 64 * 1024));
  await segment.file.read(bytes, 0).catch(() => 0);
  const record = decodeRecord(bytes, 0, segment.nonce);
  const meta = record?.head.type === RECORD.segment ? readStored(record.meta, segmentMeta) : undefined;
  // A header that is damaged: its marks are where they nearly always are.
  const [at, length] = meta === undefined ? [block, block] : meta.marks ?? [0, 0];
  if (meta !== undefined && length > 0) segment.markAt(at, length);
  const marks = bytes.subarray(at, at + length);
  segment.rottenMark = hasRottenMark(marks);
  return { meta, found: decodeMarks(marks) };
}

interface FoundGap {
  readonly gap: Gap;
  /** Number of the group commit behind it. */
  after?: number;
}

interface Place {
  readonly options: ReplayOptions;
  readonly findings: Findings;
}

async function replaySegment(segment: Segment, known: Known, { options, findings }: Place): Promise<void> {
  const { number, start } = segment;
  const size = segment.file.size();
  const { end: durable, messages } = known.expected.get(number) ?? { end: 0, messages: 0 };
  const end = Math.min(size, known.voids.get(number) ?? Infinity);
  const sinceMark = (offset: number) =>
    known.mark !== undefined &&
    (number > known.mark.newest.number ||
      (number === known.mark.newest.number && offset >= known.mark.newest.end));
  const gaps: FoundGap[] = [];
  let found = 0;
  segment.end = await new SegmentReader(segment.file, segment.nonce, end).walk({
    record: (bytes, at, offset) => {
      const before = segment.messages;
      const left = replayRecord(bytes, at, { segment, offset, options, findings });
      if (sinceMark(offset)) findings.leftSince += left;
      if (offset < durable) found += segment.messages - before;
      const gap = gaps.at(-1);
      if (gap !== undefined) gap.after ??= segment.lastBatch.number;
    },
    gap: (gap) => void gaps.push({ gap }),
  }, start);
  const damaged = sortGaps(segment, { gaps, durable, size }, findings);
  if (damaged) {
    findings.lostRecords = messages === undefined || segment.rottenMark
      ? undefined
      : add(findings.lostRecords, messages - found);
  }
  const tail = gaps.at(-1)?.gap;
  const kept = findings.damages.some((damage) => damage.segment === segment && damage.offset >= segment.end);
  if (segment.end < size && !kept && tail?.unreadable !== true) findings.toCut.push(segment);
}

function add(sum: number | undefined, count: number): number | undefined {
  return sum === undefined ? undefined : sum + Math.max(count, 0);
}

interface Gaps {
  readonly gaps: readonly FoundGap[];
  /** Bytes of the segment that were durable for sure. */
  readonly durable: number;
  readonly size: number;
}

/** Tells damage from writes that were never finished; answers whether there is damage. */
function sortGaps(segment: Segment, { gaps, durable, size }: Gaps, { damages, torn }: Findings): boolean {
  const { number } = segment;
  const before = damages.length;
  for (const { gap, after } of gaps) {
    const { offset, empty, last, unreadable } = gap;
    // What stands before a later group commit than the last was durable before that began.
    const wasDurable = offset < durable || unreadable || (segment.rottenMark && !empty) ||
      (after !== undefined && after < segment.lastBatch.number);
    if (!wasDurable) {
      if (!empty) torn.push({ segment, gap });
      if (!last && gap.length >= HEADER_LENGTH) segment.holes.push(gap);
      continue;
    }
    const length = last && offset < durable ? durable - offset : gap.length;
    damages.push({ segment, number, offset, length, present: Math.min(gap.length, length) });
  }
  const cutFrom = Math.max(segment.end, size);
  const seen = damages.length > before && gaps.at(-1)?.gap.last === true;
  if (!seen && cutFrom < durable) {
    damages.push({ segment, number, offset: cutFrom, length: durable - cutFrom, present: 0 });
  }
  return damages.length > before;
}

/** Segments that held records, are not finished, and are not there. */
function findMissing(segments: readonly Segment[], known: Known, findings: Findings): void {
  const present = new Set(segments.map(({ number }) => number));
  const first = known.mark?.first ?? segments[0]?.number ?? Infinity;
  for (const [number, { end, messages }] of known.expected) {
    if (number < first || present.has(number)) continue;
    findings.damages.push({ segment: undefined, number, offset: 0, length: end, present: 0 });
    findings.lostRecords = messages === undefined ? undefined : add(findings.lostRecords, messages);
  }
}

interface Found {
  readonly segment: Segment;
  readonly offset: number;
  readonly options: ReplayOptions;
  readonly findings: Findings;
}

/** Enters a record; answers how many messages left by it. */
function replayRecord(bytes: Buffer, at: number, found: Found): number {
  const head = decodeHead(bytes, at, found.segment.nonce)!;
  if (head.version > RECORD_VERSION) throw newer(found, `record version ${head.version}`);
  const { segment, offset } = found;
  if (head.batch !== segment.lastBatch.number) segment.lastBatch = { number: head.batch, offset };
  const length = recordLength(bytes, at);
  const meta = () => {
    const end = at + length - head.contentLength;
    return bytes.subarray(end - head.metaLength, end);
  };
  switch (head.type) {
    case RECORD.message:
      segment.messages++;
      return replayMessage(head, length, meta, found);
    case RECORD.state:
      replayState(head, length, meta, found);
      return 0;
    case RECORD.removed:
      return replayRemoved(meta().toString("latin1"), found);
    case RECORD.segment:
    case RECORD.filler:
      return 0;
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

/** Enters a message; answers how many left for it. */
function replayMessage(head: RecordHead, length: number, meta: () => Buffer, found: Found): number {
  if (parseQueueId(head.key) === undefined) return 0;
  const { segment, offset, options: { index, log } } = found;
  const at = { segment: segment.number, offset, length };
  // A copy that compaction made while the original is still there does not count: its state may be missing, and all that was
  // recorded since the original stands before it, in segments that would go too early.
  if (index.find(head.key) >= 0) return 0;
  const spooled = (head.flags & FLAG.spooled) !== 0;
  const slot = index.add({
    ...at,
    id: head.key,
    arrival: head.time,
    size: head.size,
    head: headLength(head),
    spooled,
    sites: () => storedSites(meta()),
  });
  log.claim(at);
  if ((head.flags & FLAG.inherits) !== 0) inherit(slot, meta(), found);
  else if ((head.flags & FLAG.hold) !== 0) mark(slot, FLAG.hold, head.time, index);
  if ((head.flags & FLAG.replaces) === 0) return 0;
  // One record says both: after a crash there is the old message or the new one, never both and never none.
  const { replaces } = parseEnvelope(meta());
  return replaces === undefined ? 0 : replayRemoved(replaces, found);
}

/** What was known of the message in the shard that it came from. */
function inherit(slot: number, meta: Buffer, { options: { index, outcomes } }: Found): void {
  const { flags, due, states } = parseInheritance(meta);
  mark(slot, flags, due, index);
  if (states !== undefined) outcomes.replay(slot, states.map((state, at) => ({ index: at, state })));
}

/** Enters the flags and the due time of a state, and the queue that follows from them. */
function mark(slot: number, flags: number, due: number, index: MessageIndex): void {
  index.flags[slot] = (index.flags[slot]! & FLAG.spooled) | (flags & ~(FLAG.spooled | FLAG.delta));
  const held = (flags & FLAG.hold) !== 0;
  const deferred = (flags & FLAG.deferred) !== 0;
  index.move(slot, held ? QUEUE.hold : deferred ? QUEUE.deferred : QUEUE.incoming, due);
}

function replayState(head: RecordHead, length: number, meta: () => Buffer, found: Found): void {
  const { index, log, outcomes } = found.options;
  const slot = index.find(head.key);
  if (slot < 0) return void found.findings.unknown.add(head.key);
  mark(slot, head.flags, head.time, index);
  if ((head.flags & FLAG.delta) !== 0) {
    if (head.metaLength > 0) outcomes.replay(slot, parseChanges(meta()));
    return;
  }
  outcomes.forget(slot);
  log.release(index.stateSegment[slot]!, index.stateLength[slot]!);
  index.stateSegment[slot] = found.segment.number;
  index.stateOffset[slot] = found.offset;
  index.stateLength[slot] = length;
  found.segment.live += length;
}

function replayRemoved(ids: string, { options, findings }: Found): number {
  let left = 0;
  for (const id of ids.split(" ")) {
    const slot = options.index.find(id);
    if (slot < 0) {
      findings.unknown.delete(id);
      findings.finished.add(id);
      continue;
    }
    left++;
    dropMessage(slot, options);
  }
  return left;
}

/** Takes a message out of index and log. */
export function dropMessage(
  slot: number,
  { index, log, outcomes }: Pick<ReplayOptions, "index" | "log" | "outcomes">,
): void {
  log.release(index.segment[slot]!, index.length[slot]!);
  log.release(index.stateSegment[slot]!, index.stateLength[slot]!);
  outcomes.forget(slot);
  index.remove(slot);
}
