import { memoryContent, spooledContent } from "./content.ts";
import type { Envelope, QueueId } from "../envelope.ts";
import { queueFault } from "../fault.ts";
import { readStates } from "./listing.ts";
import { QUEUE } from "../index/message_index.ts";
import type { KeptBody } from "./kept_body.ts";
import type { RecentMessages } from "./recent.ts";
import { type DecodedRecord, FLAG, parseSpooled, type SpooledPart } from "../log/record.ts";
import type { Shard } from "./shard.ts";
import { type Content, QueueFault, type StoredMessage } from "../store.ts";
import { parseEnvelope } from "../log/stored.ts";

interface Opened {
  readonly envelope: Envelope;
  readonly content: Content;
}

/** Opens messages: new ones from memory, others from disk, damaged ones never. */
export class MessageOpener {
  readonly #shard: Shard;
  readonly #recent: RecentMessages;
  readonly #setAside: () => void;

  /** `setAside` is called when a damaged message has left the queue. */
  constructor(shard: Shard, recent: RecentMessages, setAside: () => void) {
    this.#shard = shard;
    this.#recent = recent;
    this.#setAside = setAside;
  }

  async open(id: QueueId): Promise<StoredMessage> {
    const slot = this.#shard.index.find(id);
    if (slot < 0) throw new QueueFault(`open message ${id}`, "it is not in the queue");
    try {
      return await this.#open(slot);
    } catch (error) {
      throw queueFault(`open message ${id}`, error);
    }
  }

  async #open(slot: number): Promise<StoredMessage> {
    const { index, outcomes } = this.#shard;
    const stamp = index.stamp[slot];
    const { envelope, content } = this.#fromMemory(slot) ?? await this.#fromDisk(slot);
    const read = await readStates(this.#shard, slot, envelope.recipients.length);
    if (index.stamp[slot] !== stamp || index.queue[slot] === QUEUE.free) throw new Error("it is gone");
    const states = index.queue[slot] === QUEUE.active ? outcomes.load(slot, [...read]) : read;
    const flags = index.flags[slot]!;
    return {
      envelope,
      states: [...states],
      content,
      warned: (flags & FLAG.warned) !== 0,
      forcedExpire: (flags & FLAG.expire) !== 0,
      requeue: (flags & FLAG.requeue) !== 0,
      heldByOperator: (flags & FLAG.byOperator) !== 0,
    };
  }

  #fromMemory(slot: number): Opened | undefined {
    const recent = this.#recent.get(slot);
    if (recent === undefined) return undefined;
    const { envelope, bytes, checksum, body } = recent;
    const content = checksum === undefined
      ? memoryContent(bytes)
      : this.#spooled(slot, { checksum, head: bytes }, body);
    return { envelope, content };
  }

  async #fromDisk(slot: number): Promise<Opened> {
    const record = await this.readWhole(slot);
    if (record === undefined) throw new Error("its record is damaged and was set aside");
    const envelope = parseEnvelope(record.meta);
    const spooled = (record.head.flags & FLAG.spooled) !== 0;
    return {
      envelope,
      content: spooled ? this.#spooled(slot, parseSpooled(record.content)) : memoryContent(record.content),
    };
  }

  #spooled(slot: number, { checksum, head }: SpooledPart, kept?: KeptBody): Content {
    const { index, paths, disk } = this.#shard;
    const file = { path: `${paths.spool}/${index.idOf(slot)}`, size: index.spoolSize(slot), checksum };
    const stamp = index.stamp[slot];
    const damaged = async (why: string) => {
      if (index.stamp[slot] !== stamp || index.queue[slot] === QUEUE.free) return;
      await this.#quarantine(slot, why);
    };
    return spooledContent(disk, head, file, damaged, kept);
  }

  /** The message's record, read twice before it counts as damaged; undefined when it was, or when the message is gone. */
  async readWhole(slot: number): Promise<DecodedRecord | undefined> {
    const { index } = this.#shard;
    const stamp = index.stamp[slot];
    const same = () => index.stamp[slot] === stamp && index.queue[slot] !== QUEUE.free;
    for (let tries = 0; tries < 2 && same(); tries++) {
      const record = await this.#shard.readMessage(slot);
      if (record !== undefined) return record;
    }
    if (!same()) return undefined;
    await this.#quarantine(slot, "its checksum is wrong");
    return undefined;
  }

  /** What is in memory of it goes first: the slot is another message's as soon as this one is gone. */
  async #quarantine(slot: number, why: string): Promise<void> {
    this.#recent.drop(slot);
    await this.#shard.quarantine(slot, why);
    this.#setAside();
  }
}
