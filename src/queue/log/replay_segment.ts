import { QueueFault } from "../store.ts";
import { believedCheckpoint } from "./believed_checkpoint.ts";
import type { Checkpoint, CheckpointDraft, NewLogEntry } from "./checkpoint.ts";
import { enterEntry } from "./enter_entry.ts";
import { addCount, type Findings, type Known, type ReplayPlace } from "./findings.ts";
import { type LogEntry, readEntry, usesMeta } from "./log_entry.ts";
import { HEADER_LENGTH, RECORD, RECORD_VERSION } from "./record.ts";
import type { Segment } from "./segment.ts";
import { type Gap, SegmentReader } from "./segment_reader.ts";

interface FoundGap {
  readonly gap: Gap;
  /** Number of the group commit behind it. */
  after?: number;
}

/**
 * Enters what is in a segment, from its checkpoint where that can be believed; segments come in their order. `options.pause` is
 * asked between pieces of bounded size, and meanwhile others may change the index: an entry counts as it stands when it is entered.
 */
export async function replaySegment(segment: Segment, known: Known, place: ReplayPlace): Promise<void> {
  const checkpoint = await believedCheckpoint(segment, known, place.options);
  if (checkpoint === undefined) await readSegment(segment, known, place);
  else await enterCheckpoint(checkpoint, segment, { known, place });
}

/** Entries between two questions whether to pause. */
const PIECE = 64;

async function enterCheckpoint(
  { end, lastBatch, messages, entries, release }: Checkpoint,
  segment: Segment,
  { known, place }: { readonly known: Known; readonly place: ReplayPlace },
): Promise<void> {
  const { options: { pause }, findings } = place;
  const isSinceMark = sinceMark(segment, known);
  Object.assign(segment, { end, lastBatch, messages });
  const found = { ...place, segment };
  let count = 0;
  for (const entry of entries()) {
    const pausing = ++count % PIECE === 0 ? pause?.() : undefined;
    if (pausing !== undefined) await pausing;
    const left = enterEntry(entry, found);
    if (isSinceMark(entry.offset)) findings.leftSince += left;
  }
  release();
}

async function readSegment(segment: Segment, known: Known, place: ReplayPlace): Promise<void> {
  const { options: { pause, checkpoints }, findings } = place;
  const { number, start } = segment;
  const size = segment.file.size();
  const { end: durable, messages } = known.expected.get(number) ?? { end: 0, messages: 0 };
  const end = Math.min(size, known.voids.get(number) ?? Infinity);
  const isSinceMark = sinceMark(segment, known);
  const gaps: FoundGap[] = [];
  const draft = checkpoints.begin();
  let found = 0;
  segment.end = await new SegmentReader(segment.file, segment.nonce, end).walk({
    record: (bytes, at, offset) => {
      const before = segment.messages;
      const left = replayRecord(bytes, at, { ...place, segment, offset, draft });
      if (isSinceMark(offset)) findings.leftSince += left;
      if (offset < durable) found += segment.messages - before;
      const gap = gaps.at(-1);
      if (gap !== undefined) gap.after ??= segment.lastBatch.number;
    },
    gap: (gap) => void gaps.push({ gap }),
    pause,
  }, start);
  const damaged = sortGaps(segment, { gaps, durable, size }, findings);
  if (damaged) {
    findings.lostRecords = messages === undefined || segment.rottenMark
      ? undefined
      : addCount(findings.lostRecords, messages - found);
  }
  const tail = gaps.at(-1)?.gap;
  const kept = findings.damages.some((damage) => damage.segment === segment && damage.offset >= segment.end);
  if (segment.end < size && !kept && tail?.unreadable !== true) findings.toCut.push(segment);
  // What stands behind the mark may be in the system's memory only.
  const isSure = !damaged && durable >= segment.end && gaps.every(({ gap }) => gap.last && !gap.unreadable);
  if (isSure && draft !== undefined) await checkpoints.write(segment, draft);
}

/** Whether what stands at an offset was written after the newest mark. */
function sinceMark({ number }: Segment, { mark }: Known): (offset: number) => boolean {
  if (mark === undefined || number < mark.newest.number) return () => false;
  return number > mark.newest.number ? () => true : (offset) => offset >= mark.newest.end;
}

interface Found extends ReplayPlace {
  readonly segment: Segment;
  readonly offset: number;
  readonly draft: CheckpointDraft | undefined;
}

const TYPES: ReadonlySet<number> = new Set(Object.values(RECORD));

/** Enters a record; answers how many messages left by it. */
function replayRecord(bytes: Buffer, at: number, found: Found): number {
  const { segment, offset, draft } = found;
  const { version, batch, entry } = readEntry(bytes, at, { nonce: segment.nonce, offset });
  if (version > RECORD_VERSION) throw newerVersion(segment, `record version ${version} at byte ${offset}`);
  if (batch !== segment.lastBatch.number) segment.lastBatch = { number: batch, offset };
  if (!TYPES.has(entry.type)) throw newerVersion(segment, `record type ${entry.type} at byte ${offset}`);
  if (entry.type === RECORD.message) segment.messages++;
  draft?.record({ version, batch, offset });
  draft?.add(copied(entry, draft.sites));
  return enterEntry(entry, found);
}

/** An entry for the checkpoint, which copies what it takes. */
function copied(entry: LogEntry, bySite: boolean): NewLogEntry {
  const sites = bySite && entry.type === RECORD.message ? entry.sites() : [];
  return { ...entry, meta: usesMeta(entry) ? entry.meta() : "", sites };
}

/** What stops the start of an older program. */
export function newerVersion({ path }: Segment, what: string): QueueFault {
  return new QueueFault(
    `read ${path}`,
    `${what} is unknown: it was written by a newer version of this program; start that one`,
  );
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
