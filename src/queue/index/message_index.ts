import { DueHeap } from "./due_heap.ts";
import type { QueueId } from "../envelope.ts";
import { IdTable } from "./id_table.ts";
import { type IdParts, parseQueueId, printQueueId } from "../queue_id.ts";
import { SiteIndex, type SiteKey } from "./site_index.ts";
import type { QueueName } from "../store.ts";

/** Queues as the index keeps them; `free` marks an unused slot. */
export const QUEUE = { free: 0, incoming: 1, active: 2, deferred: 3, hold: 4 } as const;
const QUEUE_NAMES: readonly QueueName[] = ["incoming", "incoming", "active", "deferred", "hold"];

/** A record's place in the log. */
export interface Location {
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
}

/** A new message for the index. */
export interface NewEntry extends Location {
  readonly id: IdParts;
  readonly arrival: number;
  readonly size: number;
  /** Bytes of the content that are in the record when the rest is in a spool file, else 0. */
  readonly head: number;
  readonly spooled: boolean;
  /** The sites of its recipients; only asked for where the index goes by them. */
  readonly sites: () => readonly SiteKey[];
}

const NOWHERE = -1;
/** In no heap before it is revealed, whatever queue it is in. */
const HIDDEN = -2;
/** More slots than there ever are; times the largest offset it is still a whole number. */
const SLOTS = 2 ** 26;

/**
 * All messages of a shard, about 95 bytes each in typed arrays: the content, the envelope and the recipients' states stay on
 * disk. A slot is a message's number while it lives; `stamp` tells whether a slot still holds the same message.
 */
export class MessageIndex {
  a = new Uint32Array(0);
  b = new Uint32Array(0);
  c = new Uint32Array(0);
  segment = new Uint32Array(0);
  offset = new Uint32Array(0);
  length = new Uint32Array(0);
  stateSegment = new Uint32Array(0);
  stateOffset = new Uint32Array(0);
  stateLength = new Uint32Array(0);
  stamp = new Uint32Array(0);
  size = new Float64Array(0);
  arrival = new Float64Array(0);
  due = new Float64Array(0);
  /** FLAG bits of record.ts: hold (after the run), deferred, expire, warned, spooled. */
  flags = new Uint8Array(0);
  queue = new Uint8Array(0);
  #head = new Uint32Array(0);
  #heapPlace = new Int32Array(0);
  readonly #ids = new IdTable();
  readonly #incoming: DueHeap;
  readonly #deferred: DueHeap;
  readonly #count = [0, 0, 0, 0, 0];
  #free: number[] = [];
  #capacity = 0;
  #used = 0;
  #hidden = 0;
  /** Sum of the sizes of all contents. */
  bytes = 0;
  /** Messages by the sites of their recipients; undefined where nobody asks for those (fast_flush_domains). */
  readonly sites: SiteIndex | undefined;

  constructor({ bySite = false }: { readonly bySite?: boolean } = {}) {
    this.sites = bySite ? new SiteIndex() : undefined;
    const view = {
      before: (one: number, other: number) => this.#before(one, other),
      place: (slot: number, at: number) => void (this.#heapPlace[slot] = at),
      placeOf: (slot: number) => this.#heapPlace[slot]!,
    };
    this.#incoming = new DueHeap(view);
    this.#deferred = new DueHeap(view);
  }

  /** Number of messages. */
  get count(): number {
    return this.#used - this.#free.length;
  }

  /** Messages that were loaded and do not come due yet. */
  get hidden(): number {
    return this.#hidden;
  }

  /** All slots are below this number. */
  get used(): number {
    return this.#used;
  }

  countIn(queue: number): number {
    return this.#count[queue]!;
  }

  find(id: string): number {
    const parts = parseQueueId(id);
    return parts === undefined ? -1 : this.findParts(parts);
  }

  /** Slot of the message with an id; -1 when there is none. */
  findParts(id: IdParts): number {
    return this.#ids.find(id, this);
  }

  idOf(slot: number): QueueId {
    return printQueueId({ a: this.a[slot]!, b: this.b[slot]!, c: this.c[slot]! });
  }

  /** Bytes in the message's spool file. */
  spoolSize(slot: number): number {
    return this.size[slot]! - this.#head[slot]!;
  }

  queueName(slot: number): QueueName {
    return QUEUE_NAMES[this.queue[slot]!]!;
  }

  /** Makes room for so many messages at once: what grows bit by bit is copied as often. */
  reserve(count: number): void {
    if (count > this.#capacity) this.#grow(count);
    this.#ids.reserve(count, this);
  }

  /** Enters a message as incoming; its id must be new. */
  add(entry: NewEntry): number {
    const slot = this.#enter(entry);
    this.move(slot, QUEUE.incoming);
    return slot;
  }

  /** The same with one of an earlier process: it does not come due before it is revealed, as more of it may be found. */
  load(entry: NewEntry): number {
    const slot = this.#enter(entry);
    this.#heapPlace[slot] = HIDDEN;
    this.#hidden++;
    this.move(slot, QUEUE.incoming);
    return slot;
  }

  isHidden(slot: number): boolean {
    return this.#heapPlace[slot] === HIDDEN;
  }

  /** Lets a message that was loaded come due in its time. */
  reveal(slot: number): void {
    this.#heapPlace[slot] = NOWHERE;
    this.#hidden--;
    this.#heapOf(this.queue[slot]!)?.push(slot);
  }

  #enter(entry: NewEntry): number {
    const slot = this.#free.pop() ?? this.#fresh();
    const { a, b, c } = entry.id;
    this.a[slot] = a;
    this.b[slot] = b;
    this.c[slot] = c;
    this.segment[slot] = entry.segment;
    this.offset[slot] = entry.offset;
    this.length[slot] = entry.length;
    this.stateLength[slot] = 0;
    this.stamp[slot]!++;
    this.size[slot] = entry.size;
    this.#head[slot] = entry.head;
    this.arrival[slot] = entry.arrival;
    this.due[slot] = entry.arrival;
    this.flags[slot] = entry.spooled ? 16 : 0;
    this.#heapPlace[slot] = NOWHERE;
    this.queue[slot] = QUEUE.free;
    this.#ids.insert(slot, this);
    this.sites?.add(slot, entry.sites());
    this.bytes += entry.size;
    return slot;
  }

  remove(slot: number): void {
    this.move(slot, QUEUE.free);
    if (this.isHidden(slot)) this.reveal(slot);
    this.#ids.remove(slot, this);
    this.sites?.remove(slot);
    this.bytes -= this.size[slot]!;
    this.#free.push(slot);
  }

  /** Puts a message into a queue, with a new due time where one is given. */
  move(slot: number, queue: number, due: number = this.due[slot]!): void {
    const from = this.queue[slot]!;
    if (this.#heapPlace[slot]! >= 0) this.#heapOf(from)?.remove(slot);
    this.due[slot] = due;
    this.queue[slot] = queue;
    this.#count[from]!--;
    this.#count[queue]!++;
    if (!this.isHidden(slot)) this.#heapOf(queue)?.push(slot);
  }

  /** Enters the new place of a message record that was copied within the log. */
  relocate(slot: number, to: Location): void {
    const queue = this.queue[slot]!;
    const heap = this.#heapPlace[slot]! < 0 ? undefined : this.#heapOf(queue);
    heap?.remove(slot);
    this.segment[slot] = to.segment;
    this.offset[slot] = to.offset;
    this.length[slot] = to.length;
    heap?.push(slot);
  }

  /** Slot that is due first in a queue that waits. */
  firstDue(queue: number): number | undefined {
    return this.#heapOf(queue)?.first;
  }

  /** Which message each slot holds now: whoever goes through them later tells by it what has come since. */
  stamps(): Uint32Array {
    return this.stamp.slice(0, this.#used);
  }

  /** All slots in use. */
  slots(): Uint32Array {
    const out = new Uint32Array(this.count);
    for (let slot = 0, at = 0; slot < this.#used; slot++) {
      if (this.queue[slot] !== QUEUE.free) out[at++] = slot;
    }
    return out;
  }

  /** Slots whose message record is in a segment, in its order; those of one queue where that is given. */
  slotsIn(segment: number, queue?: number): number[] {
    // An offset and a slot in one number each: such are sorted without a call for every two of them.
    const keys = new Float64Array(this.count);
    let found = 0;
    for (let slot = 0; slot < this.#used; slot++) {
      if (this.segment[slot] !== segment || this.queue[slot] === QUEUE.free) continue;
      if (queue === undefined || this.queue[slot] === queue) {
        keys[found++] = this.offset[slot]! * SLOTS + slot;
      }
    }
    return Array.from(keys.subarray(0, found).sort(), (key) => key % SLOTS);
  }

  #heapOf(queue: number): DueHeap | undefined {
    if (queue === QUEUE.incoming) return this.#incoming;
    return queue === QUEUE.deferred ? this.#deferred : undefined;
  }

  #before(one: number, other: number): boolean {
    const by = this.due[one]! - this.due[other]!;
    return by !== 0 ? by < 0 : this.#order(one, other) < 0;
  }

  #order(one: number, other: number): number {
    return this.segment[one]! - this.segment[other]! || this.offset[one]! - this.offset[other]!;
  }

  #fresh(): number {
    if (this.#used === this.#capacity) this.#grow(Math.max(64, Math.ceil(this.#capacity * 1.5)));
    return this.#used++;
  }

  #grow(capacity: number): void {
    this.#capacity = capacity;
    const words = (old: Uint32Array<ArrayBuffer>) => grown(new Uint32Array(capacity), old);
    const doubles = (old: Float64Array<ArrayBuffer>) => grown(new Float64Array(capacity), old);
    const bytes = (old: Uint8Array<ArrayBuffer>) => grown(new Uint8Array(capacity), old);
    [this.a, this.b, this.c] = [words(this.a), words(this.b), words(this.c)];
    [this.segment, this.offset, this.length] = [words(this.segment), words(this.offset), words(this.length)];
    this.stateSegment = words(this.stateSegment);
    this.stateOffset = words(this.stateOffset);
    this.stateLength = words(this.stateLength);
    this.stamp = words(this.stamp);
    [this.size, this.arrival, this.due] = [doubles(this.size), doubles(this.arrival), doubles(this.due)];
    [this.flags, this.queue] = [bytes(this.flags), bytes(this.queue)];
    this.#head = words(this.#head);
    this.#heapPlace = grown(new Int32Array(capacity), this.#heapPlace);
  }
}

function grown<Column extends { set(old: Column): void }>(bigger: Column, old: Column): Column {
  bigger.set(old);
  return bigger;
}
