import { pauseWhenDue } from "../../base/pause_when_due.ts";
import type { RecipientDetail } from "../../message/recipient_detail.ts";
import type { Envelope, QueueId, Recipient } from "../envelope.ts";
import { QUEUE } from "../index/message_index.ts";
import { SlotSet } from "../index/slot_set.ts";
import { AheadReader } from "../log/ahead_reader.ts";
import { decodeHead, FLAG, HEADER_LENGTH } from "../log/record.ts";
import type { Segment } from "../log/segment.ts";
import type { Shard } from "./shard.ts";
import { freshStates, parseStates } from "../log/states.ts";
import {
  type ListedRecipient,
  type QueueListing,
  type QueueName,
  QUEUES_IN_ORDER,
  type RecipientState,
  type Wanted,
} from "../store.ts";
import { parseEnvelope } from "../log/stored.ts";

/** Hears of a message whose record cannot be read, or that has just left or moved. */
type Unreadable = (slot: number) => Promise<unknown>;

/** The messages of a shard that are wanted, each queue in the order of its log; what changes meanwhile may or may not show. */
export async function* listShard(
  shard: Shard,
  wanted: Wanted = {},
  unreadable: Unreadable = async () => {},
): AsyncIterable<QueueListing> {
  for (const name of QUEUES_IN_ORDER) {
    if (wanted.queues?.includes(name) !== false) yield* listQueue(shard, name, { wanted, unreadable });
  }
}

async function* listQueue(
  shard: Shard,
  name: QueueName,
  { wanted, unreadable }: { readonly wanted: Wanted; readonly unreadable: Unreadable },
): AsyncIterable<QueueListing> {
  const { index, log } = shard;
  const queue = QUEUE[name];
  const seen = new SlotSet();
  const states = new AheadReader();
  let last = -1;
  // Compaction moves messages to the end of the log while we are on the way there: they are met there, and once.
  while (index.countIn(queue) > 0) {
    const segment = log.segments.find(({ number }) => number > last);
    if (segment === undefined) return;
    last = segment.number;
    const records = new AheadReader();
    for (const slot of index.slotsIn(segment.number, queue)) {
      if (seen.has(slot) || index.arrival[slot]! > (wanted.before ?? Infinity)) continue;
      const pause = (wanted.pause ?? pauseWhenDue)();
      if (pause !== undefined) await pause;
      const row = await listMessage(shard, { slot, segment, records, states });
      if (row === undefined) {
        await unreadable(slot);
        continue;
      }
      seen.add(slot);
      if (row.queue === name && wanted.matches?.(row) !== false) yield row;
    }
  }
}

/**
 * Rows of the messages that were there when their stamps were taken (`MessageIndex.stamps`) and are still, whatever queue they move to
 * meanwhile and wherever compaction puts them: each once, none is passed over.
 */
export async function* listStamped(
  shard: Shard,
  stamps: Uint32Array,
  { queues, before = Infinity }: Pick<Wanted, "queues" | "before"> = {},
): AsyncIterable<QueueListing> {
  const { index, log } = shard;
  const seen = new SlotSet();
  const [records, states] = [new AheadReader(), new AheadReader()];
  const isWanted = (slot: number) =>
    index.stamp[slot] === stamps[slot] && index.queue[slot] !== QUEUE.free && !seen.has(slot) &&
    index.arrival[slot]! <= before && queues?.includes(index.queueName(slot)) !== false;
  const moved: number[] = [];
  let last = -1;
  for (;;) {
    const segment = log.segments.find(({ number }) => number > last);
    if (segment === undefined) break;
    last = segment.number;
    for (const slot of index.slotsIn(segment.number)) {
      if (!isWanted(slot)) continue;
      const row = await listMessage(shard, { slot, segment, records, states });
      if (row === undefined) moved.push(slot);
      else seen.add(slot);
      if (row !== undefined && index.stamp[slot] === stamps[slot]) yield row;
    }
  }
  // Moved to the segment that we were in, while we read.
  for (const slot of moved) {
    const row = isWanted(slot) ? await findListing(shard, index.idOf(slot)) : undefined;
    if (row !== undefined && index.stamp[slot] === stamps[slot]) yield row;
  }
}

/** One message's row; undefined when it is not there or cannot be read. */
export async function findListing(shard: Shard, id: QueueId): Promise<QueueListing | undefined> {
  const { index, log } = shard;
  for (let slot = index.find(id); slot >= 0; slot = index.find(id)) {
    const [number, stamp] = [index.segment[slot]!, index.stamp[slot]!];
    const segment = log.get(number);
    const place = { slot, segment, records: new AheadReader(), states: new AheadReader() };
    const row = await listMessage(shard, place);
    // Compaction may have moved it meanwhile.
    if (row !== undefined || (index.segment[slot] === number && index.stamp[slot] === stamp)) return row;
  }
  return undefined;
}

interface Place {
  readonly slot: number;
  readonly segment: Segment;
  readonly records: AheadReader;
  readonly states: AheadReader;
}

async function listMessage(
  shard: Shard,
  { slot, segment, records, states: stateReader }: Place,
): Promise<QueueListing | undefined> {
  const { index } = shard;
  const here = () => index.queue[slot] !== QUEUE.free && index.segment[slot] === segment.number;
  if (!here()) return undefined;
  const stamp = index.stamp[slot];
  try {
    const meta = await readMeta(records, segment, {
      offset: index.offset[slot]!,
      length: index.length[slot]!,
    });
    if (meta === undefined) return undefined;
    const envelope = parseEnvelope(meta);
    const states = here() ? await readStates(shard, slot, envelope.recipients.length, stateReader) : [];
    if (!here() || index.stamp[slot] !== stamp) return undefined;
    return row(shard, slot, { envelope, states });
  } catch {
    return undefined; // moved or finished meanwhile, or unreadable: the next one may be well
  }
}

/** Most records have all but the content in their first bytes. */
const FIRST_BYTES = 4096;

/** The envelope in a message's record, without the content: that it is whole is seen at the start and when it is delivered. */
async function readMeta(
  reader: AheadReader,
  segment: Segment,
  { offset, length }: { readonly offset: number; readonly length: number },
): Promise<Buffer | undefined> {
  const first = await reader.read(segment, offset, Math.min(length, FIRST_BYTES));
  const head = decodeHead(first, 0, segment.nonce);
  if (head === undefined) return undefined;
  const start = HEADER_LENGTH + head.key.length;
  const end = start + head.metaLength;
  const bytes = end <= first.length ? first : await reader.read(segment, offset, Math.min(length, end));
  return bytes.length < end ? undefined : bytes.subarray(start, end);
}

/** A message's states as they are now. */
export async function readStates(
  shard: Shard,
  slot: number,
  count: number,
  reader?: AheadReader,
): Promise<readonly RecipientState[]> {
  const { index, outcomes } = shard;
  const stamp = index.stamp[slot];
  for (;;) {
    const known = outcomes.statesOf(slot);
    if (known !== undefined) return known;
    const [segment, offset] = [index.stateSegment[slot], index.stateOffset[slot]];
    const meta = await shard.readState(slot, reader);
    if (index.stamp[slot] !== stamp) throw new Error("it is gone");
    if (index.stateSegment[slot] !== segment || index.stateOffset[slot] !== offset) continue;
    return outcomes.view(slot, meta === undefined ? freshStates(count) : parseStates(meta));
  }
}

function row(
  { index }: Shard,
  slot: number,
  { envelope, states }: { readonly envelope: Envelope; readonly states: readonly RecipientState[] },
): QueueListing {
  return {
    id: index.idOf(slot),
    queue: index.queueName(slot),
    arrival: index.arrival[slot]!,
    size: index.size[slot]!,
    sender: envelope.sender,
    forcedExpire: (index.flags[slot]! & FLAG.expire) !== 0,
    ...(index.queue[slot] === QUEUE.deferred && { due: index.due[slot]! }),
    recipients: pendingOf(envelope, states),
  };
}

/** Those with a reason come first, as from showq(8), which looks into the log of deferrals before the message. */
function pendingOf({ recipients }: Envelope, states: readonly RecipientState[]): ListedRecipient[] {
  const [tried, others]: [ListedRecipient[], ListedRecipient[]] = [[], []];
  for (const [at, recipient] of recipients.entries()) {
    const state = states[at];
    if (state?.is !== "pending") continue;
    (state.why === undefined ? others : tried).push(listed(recipient, state.why));
  }
  return tried.concat(others);
}

function listed({ address, original }: Recipient, why: RecipientDetail | undefined): ListedRecipient {
  return {
    address,
    ...(original !== address && { original }),
    ...(why !== undefined && { why: why.text, status: why.status }),
  };
}
