import { type MessageIndex, QUEUE } from "../index/message_index.ts";
import { parseQueueId, printQueueId } from "../queue_id.ts";
import type { ReplayOptions, ReplayPlace } from "./findings.ts";
import type { LogEntry } from "./log_entry.ts";
import { FLAG, RECORD } from "./record.ts";
import type { Segment } from "./segment.ts";
import { parseChanges, parseInheritance } from "./states.ts";
import { parseEnvelope } from "./stored.ts";

/** Where an entry stands, and where it goes. */
interface Found extends ReplayPlace {
  readonly segment: Segment;
}

/** Enters what a record says into index and log, in the order in which they were written; answers how many messages left by it. */
export function enterEntry(entry: LogEntry, found: Found): number {
  switch (entry.type) {
    case RECORD.message:
      return enterMessage(entry, found);
    case RECORD.state:
      enterState(entry, found);
      return 0;
    case RECORD.removed:
      return enterRemoved(entry.meta().toString("latin1"), found);
    default:
      return 0;
  }
}

/** Enters a message; answers how many left for it. */
function enterMessage(entry: LogEntry, found: Found): number {
  const { id, flags, offset, length } = entry;
  const { segment, options: { index, log } } = found;
  // A copy that compaction made while the original is still there does not count: its state may be missing, and all that was
  // recorded since the original stands before it, in segments that would go too early.
  if (id === undefined || index.findParts(id) >= 0) return 0;
  const at = { segment: segment.number, offset, length };
  const slot = index.load({
    ...at,
    id,
    arrival: entry.time,
    size: entry.size,
    head: entry.head,
    spooled: (flags & FLAG.spooled) !== 0,
    sites: () => entry.sites(),
  });
  log.claim(at);
  if ((flags & FLAG.inherits) !== 0) inherit(slot, entry.meta(), found);
  else if ((flags & FLAG.hold) !== 0) mark(slot, FLAG.hold, entry.time, index);
  if ((flags & FLAG.replaces) === 0) return 0;
  // One record says both: after a crash there is the old message or the new one, never both and never none.
  const { replaces } = parseEnvelope(entry.meta());
  return replaces === undefined ? 0 : enterRemoved(replaces, found);
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

function enterState(entry: LogEntry, { segment, options, findings }: Found): void {
  const { index, log, outcomes } = options;
  if (entry.id === undefined) return;
  const slot = index.findParts(entry.id);
  if (slot < 0) return void findings.unknown.add(printQueueId(entry.id));
  mark(slot, entry.flags, entry.time, index);
  if ((entry.flags & FLAG.delta) !== 0) {
    const meta = entry.meta();
    if (meta.length > 0) outcomes.replay(slot, parseChanges(meta));
    return;
  }
  outcomes.forget(slot);
  log.release(index.stateSegment[slot]!, index.stateLength[slot]!);
  index.stateSegment[slot] = segment.number;
  index.stateOffset[slot] = entry.offset;
  index.stateLength[slot] = entry.length;
  segment.live += entry.length;
}

function enterRemoved(ids: string, { options, findings }: Found): number {
  let left = 0;
  for (const id of ids.split(" ")) {
    const parts = parseQueueId(id);
    const slot = parts === undefined ? -1 : options.index.findParts(parts);
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
