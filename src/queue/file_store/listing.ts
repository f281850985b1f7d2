import type { Envelope, QueueId } from "../envelope.ts";
import { QUEUE } from "../index/message_index.ts";
import { decodeRecord, FLAG } from "../log/record.ts";
import type { Segment } from "../log/segment.ts";
import type { Shard } from "./shard.ts";
import { freshStates, parseStates } from "../log/states.ts";
import type { QueueListing, RecipientState } from "../store.ts";
import { parseEnvelope } from "../log/stored.ts";

const WINDOW = 256 * 1024;

/** Reads records of a segment in order, a window at a time, so that a listing is not a read for every message. */
class WindowReader {
  readonly #segment: Segment;
  #base = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(segment: Segment) {
    this.#segment = segment;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    if (offset < this.#base || offset + length > this.#base + this.#bytes.length) {
      const wanted = Math.max(length, Math.min(WINDOW, this.#segment.end - offset));
      this.#bytes = await this.#segment.read(offset, wanted);
      this.#base = offset;
    }
    return this.#bytes.subarray(offset - this.#base, offset - this.#base + length);
  }
}

/** The messages of a shard in the order of its log; what changes meanwhile may or may not show. */
export async function* listShard(shard: Shard): AsyncIterable<QueueListing> {
  for (const segment of [...shard.log.segments]) {
    const reader = new WindowReader(segment);
    for (const slot of shard.index.slotsIn(segment.number)) {
      const row = await listMessage(shard, { slot, segment, reader });
      if (row !== undefined) yield row;
    }
  }
}

/** One message's row; undefined when it is not there or cannot be read. */
export async function findListing(shard: Shard, id: QueueId): Promise<QueueListing | undefined> {
  const { index, log } = shard;
  for (let slot = index.find(id); slot >= 0; slot = index.find(id)) {
    const [number, stamp] = [index.segment[slot]!, index.stamp[slot]!];
    const segment = log.get(number);
    const reader = { read: (offset: number, length: number) => segment.read(offset, length) };
    const row = await listMessage(shard, { slot, segment, reader });
    // Compaction may have moved it meanwhile.
    if (row !== undefined || (index.segment[slot] === number && index.stamp[slot] === stamp)) return row;
  }
  return undefined;
}

interface Place {
  readonly slot: number;
  readonly segment: Segment;
  readonly reader: Pick<WindowReader, "read">;
}

async function listMessage(
  shard: Shard,
  { slot, segment, reader }: Place,
): Promise<QueueListing | undefined> {
  const { index } = shard;
  const here = () => index.queue[slot] !== QUEUE.free && index.segment[slot] === segment.number;
  if (!here()) return undefined;
  const stamp = index.stamp[slot];
  try {
    const bytes = await reader.read(index.offset[slot]!, index.length[slot]!);
    const record = decodeRecord(bytes, 0, segment.nonce);
    if (record === undefined) return undefined;
    const envelope = parseEnvelope(record.meta);
    const states = here() ? await readStates(shard, slot, envelope.recipients.length) : [];
    if (!here() || index.stamp[slot] !== stamp) return undefined;
    return row(shard, slot, { envelope, states });
  } catch {
    return undefined; // moved or finished meanwhile, or unreadable: the next one may be well
  }
}

/** A message's states as they are now. */
export async function readStates(
  shard: Shard,
  slot: number,
  count: number,
): Promise<readonly RecipientState[]> {
  const { index, outcomes } = shard;
  const stamp = index.stamp[slot];
  for (;;) {
    const known = outcomes.statesOf(slot);
    if (known !== undefined) return known;
    const [segment, offset] = [index.stateSegment[slot], index.stateOffset[slot]];
    const meta = await shard.readState(slot);
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
    recipients: envelope.recipients.flatMap(({ address }, at) => {
      const state = states[at];
      if (state?.is !== "pending") return [];
      return [{ address, why: state.why?.text }];
    }),
  };
}
