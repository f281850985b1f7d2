import { addCount, type Findings, type Known, type ReplayOptions } from "./findings.ts";
import { decodeMarks, type Expected, hasRottenMark, type LogMark } from "./log_mark.ts";
import { decodeRecord, RECORD, RECORD_VERSION } from "./record.ts";
import { newerVersion, replaySegment } from "./replay_segment.ts";
import { Segment } from "./segment.ts";
import { type SegmentMeta, segmentMeta } from "./segment_meta.ts";
import { readStored } from "./stored.ts";

/** The segments that are there, older first, and what headers and marks say of them. */
export interface FoundLog {
  readonly segments: readonly Segment[];
  readonly known: Known;
}

/** Opens the segments of a directory: from then on the log can be written to. Only an unknown version makes it refuse. */
export async function findLog(options: ReplayOptions): Promise<FoundLog> {
  const segments = openSegments(options);
  try {
    const known = await readHeaders(segments, options);
    options.log.found(segments, known.expected);
    return { segments, known };
  } catch (error) {
    for (const segment of segments) segment.retire();
    throw error;
  }
}

/** Rebuilds the index from the segments. New mail may come meanwhile: it is in other segments, and none of it has to do with what is here. */
export async function replay({ segments, known }: FoundLog, options: ReplayOptions): Promise<Findings> {
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
    await options.pause?.();
    await replaySegment(segment, known, { options, findings });
  }
  findMissing(segments, known, findings);
  return findings;
}

function openSegments({ disk, directory, checkpoints, mode }: ReplayOptions): Segment[] {
  const names = disk.list(directory);
  checkpoints.dropOrphans(names);
  return names
    .map((name) => Segment.open(disk, directory, name, mode))
    .filter((segment) => segment !== undefined)
    .sort((one, other) => one.number - other.number);
}

/** What headers and marks say, before any record is read. */
async function readHeaders(segments: readonly Segment[], options: ReplayOptions): Promise<Known> {
  const known: Known = { expected: new Map(), voids: new Map(), mark: undefined, checkpointsBelow: 0 };
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
  if (isSound(segments, known)) known.checkpointsBelow = newestUsed(segments, known)?.number ?? 0;
  return known;
}

/** Whether nothing speaks of damage before a record is read. */
function isSound(segments: readonly Segment[], { expected, mark }: Known): boolean {
  const byNumber = new Map(segments.map((segment) => [segment.number, segment]));
  const first = mark?.first ?? segments[0]?.number ?? Infinity;
  return [...expected].every(([number, { end }]) => {
    const segment = byNumber.get(number);
    if (segment === undefined) return number < first;
    return segment.start > 0 && !segment.rottenMark && segment.file.size() >= end;
  });
}

/** The newest segment that is known to hold records. */
function newestUsed(segments: readonly Segment[], { expected }: Known): Segment | undefined {
  return segments.findLast(({ number, start }) => (expected.get(number)?.end ?? 0) > start);
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
  if (record !== undefined && record.head.version > RECORD_VERSION) {
    throw newerVersion(segment, `record version ${record.head.version} at byte 0`);
  }
  const meta = record?.head.type === RECORD.segment ? readStored(record.meta, segmentMeta) : undefined;
  // A header that is damaged: its marks are where they nearly always are.
  const [at, length] = meta === undefined ? [block, block] : meta.marks ?? [0, 0];
  if (meta !== undefined && length > 0) segment.markAt(at, length);
  const marks = bytes.subarray(at, at + length);
  segment.rottenMark = hasRottenMark(marks);
  return { meta, found: decodeMarks(marks) };
}

/** Segments that held records, are not finished, and are not there. */
function findMissing(segments: readonly Segment[], known: Known, findings: Findings): void {
  const present = new Set(segments.map(({ number }) => number));
  const first = known.mark?.first ?? segments[0]?.number ?? Infinity;
  for (const [number, { end, messages }] of known.expected) {
    if (number < first || present.has(number)) continue;
    findings.damages.push({ segment: undefined, number, offset: 0, length: end, present: 0 });
    findings.lostRecords = messages === undefined ? undefined : addCount(findings.lostRecords, messages);
  }
}
