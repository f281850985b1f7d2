import { releaseBytes } from "../../base/release_bytes.ts";
import { crc32 } from "../../platform/checksum.ts";
import type { SiteKey } from "../index/site_index.ts";
import type { IdParts } from "../queue_id.ts";
import { type LogEntry, usesMeta } from "./log_entry.ts";
import { RECORD, RECORD_VERSION } from "./record.ts";

/**
 * What a sealed segment says, without contents: all that the index takes from its records, in their order. It is a help and no
 * more: whoever doubts it reads the segment. Numbers are little endian:
 *
 *     header   magic, version, flags, segment's number, nonce, end, messages, newest version of a record, last group commit (its
 *              number and where it begins), entries, length of the whole, checksum of all but itself
 *     entry    type, flags, whether it has an id, 0, offset, length, head, time, size, id, sites, length of its meta; meta; sites
 */
export interface Checkpoint extends CheckpointFacts {
  /** Message records. */
  readonly messages: number;
  /** Newest version of a record. */
  readonly recordVersion: number;
  /** It names the sites of recipients. */
  readonly sites: boolean;
  /** Length of its file. */
  readonly length: number;
  entries(): Iterable<LogEntry>;
  /** Gives its memory back: there are no entries any more. */
  release(): void;
}

/** Which segment a checkpoint is of, and how far it goes. */
export interface CheckpointFacts {
  readonly number: number;
  readonly nonce: number;
  /** Where the last record ends. */
  readonly end: number;
  /** Number of the last group commit and where it begins. */
  readonly lastBatch: { readonly number: number; readonly offset: number };
}

const MAGIC = 0x6d74636b; // "mtck"
const VERSION = 1;
const HEADER = 56;
const CRC_AT = HEADER - 4;
const ENTRY = 52;
const WITH_SITES = 1;
const LARGEST = 0xffff_ffff;

const ENTRY_TYPES: ReadonlySet<number> = new Set([RECORD.message, RECORD.state, RECORD.removed]);

/** An entry to be put down. */
export interface NewLogEntry extends Omit<LogEntry, "meta" | "sites"> {
  readonly meta: string | Uint8Array;
  readonly sites: readonly SiteKey[];
}

/** Puts down what a checkpoint is to say, record by record, as they become durable. */
export class CheckpointDraft {
  /** Whether it names the sites of recipients. */
  readonly sites: boolean;
  #bytes = Buffer.allocUnsafeSlow(4096);
  #length = HEADER;
  #count = 0;
  #messages = 0;
  #recordVersion = 0;
  #lastBatch = { number: 0, offset: 0 };
  /** There was something that it cannot say. */
  #failed = false;

  constructor(sites: boolean) {
    this.sites = sites;
  }

  /** Every record is told of, whatever its type, before what it says. */
  record({ version, batch, offset }: {
    readonly version: number;
    readonly batch: number;
    readonly offset: number;
  }): void {
    if (version > this.#recordVersion) this.#recordVersion = version;
    if (batch !== this.#lastBatch.number) this.#lastBatch = { number: batch, offset };
  }

  add(entry: NewLogEntry): void {
    if (!ENTRY_TYPES.has(entry.type)) return;
    const named = entry.type !== RECORD.removed;
    if ((named && entry.id === undefined) || entry.offset + entry.length > LARGEST) this.#failed = true;
    if (entry.type === RECORD.message) this.#messages++;
    this.#count++;
    const meta = usesMeta(entry) ? entry.meta : "";
    const metaLength = typeof meta === "string" ? Buffer.byteLength(meta) : meta.length;
    const sites = entry.type === RECORD.message && this.sites ? entry.sites : [];
    const at = this.#reserve(ENTRY + metaLength + 4 * sites.length);
    putEntry(this.#bytes, at, { entry, metaLength, sites: sites.length });
    if (typeof meta === "string") this.#bytes.write(meta, at + ENTRY);
    else this.#bytes.set(meta, at + ENTRY);
    const after = at + ENTRY + metaLength;
    for (let each = 0; each < sites.length; each++) this.#bytes.writeUInt32LE(sites[each]!, after + 4 * each);
  }

  #reserve(length: number): number {
    const at = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const bigger = Buffer.allocUnsafeSlow(Math.max(this.#length, 2 * this.#bytes.length));
      this.#bytes.copy(bigger, 0, 0, at);
      this.#bytes = bigger;
    }
    return at;
  }

  /** The whole file; undefined when it would not say all. */
  finish({ number, nonce, end }: Omit<CheckpointFacts, "lastBatch">): Buffer | undefined {
    if (this.#failed || end > LARGEST || this.#length > LARGEST) return undefined;
    const out = this.#bytes.subarray(0, this.#length);
    out.writeUInt32LE(MAGIC, 0);
    out.writeUInt16LE(VERSION, 4);
    out.writeUInt16LE(this.sites ? WITH_SITES : 0, 6);
    out.writeUInt32LE(number, 8);
    out.writeUInt32LE(nonce, 12);
    out.writeDoubleLE(end, 16);
    out.writeUInt32LE(this.#messages, 24);
    out.writeUInt32LE(this.#recordVersion, 28);
    out.writeUInt32LE(this.#lastBatch.number, 32);
    out.writeUInt32LE(this.#lastBatch.offset, 36);
    out.writeUInt32LE(this.#count, 40);
    out.writeDoubleLE(this.#length, 44);
    out.writeUInt32LE(checksum(out), CRC_AT);
    return out;
  }
}

function checksum(bytes: Buffer): number {
  return crc32(bytes.subarray(HEADER), crc32(bytes.subarray(0, CRC_AT)));
}

function putEntry(
  into: Buffer,
  at: number,
  { entry, metaLength, sites }: {
    readonly entry: NewLogEntry;
    readonly metaLength: number;
    readonly sites: number;
  },
): void {
  const { id } = entry;
  into[at] = entry.type;
  into[at + 1] = entry.flags;
  into[at + 2] = id === undefined ? 0 : 1;
  into[at + 3] = 0;
  into.writeUInt32LE(entry.offset, at + 4);
  into.writeUInt32LE(entry.length, at + 8);
  into.writeUInt32LE(entry.head, at + 12);
  into.writeDoubleLE(entry.time, at + 16);
  into.writeDoubleLE(entry.size, at + 24);
  into.writeUInt32LE(id?.a ?? 0, at + 32);
  into.writeUInt32LE(id?.b ?? 0, at + 36);
  into.writeUInt32LE(id?.c ?? 0, at + 40);
  into.writeUInt32LE(sites, at + 44);
  into.writeUInt32LE(metaLength, at + 48);
}

/** Reads a file; undefined when it is not one whole checkpoint of this version, or says what cannot be. */
export function readCheckpoint(bytes: Buffer): Checkpoint | undefined {
  if (bytes.length < HEADER || bytes.readUInt32LE(0) !== MAGIC) return undefined;
  if (bytes.readUInt16LE(4) !== VERSION || bytes.readDoubleLE(44) !== bytes.length) return undefined;
  if (bytes.readUInt32LE(CRC_AT) !== checksum(bytes)) return undefined;
  const checkpoint: Checkpoint = {
    number: bytes.readUInt32LE(8),
    nonce: bytes.readUInt32LE(12),
    end: bytes.readDoubleLE(16),
    messages: bytes.readUInt32LE(24),
    recordVersion: bytes.readUInt32LE(28),
    lastBatch: { number: bytes.readUInt32LE(32), offset: bytes.readUInt32LE(36) },
    sites: (bytes.readUInt16LE(6) & WITH_SITES) !== 0,
    length: bytes.length,
    entries: () => readEntries(bytes),
    release: () => releaseBytes(bytes),
  };
  return checkpoint.recordVersion <= RECORD_VERSION && isSensible(bytes, checkpoint) ? checkpoint : undefined;
}

/** Whether the entries fill the file, and are of records that can stand in such a segment. */
function isSensible(bytes: Buffer, { end, messages }: Checkpoint): boolean {
  let [count, found, behind] = [0, 0, 0];
  let at = HEADER;
  while (at + ENTRY <= bytes.length) {
    const type = bytes[at]!;
    const offset = bytes.readUInt32LE(at + 4);
    if (!ENTRY_TYPES.has(type) || offset < behind) return false;
    if (type !== RECORD.removed && bytes[at + 2] !== 1) return false;
    if (type === RECORD.message) found++;
    behind = offset + bytes.readUInt32LE(at + 8);
    count++;
    at += entryLength(bytes, at);
  }
  return at === bytes.length && count === bytes.readUInt32LE(40) && found === messages && behind <= end;
}

function entryLength(bytes: Buffer, at: number): number {
  return ENTRY + bytes.readUInt32LE(at + 48) + 4 * bytes.readUInt32LE(at + 44);
}

function* readEntries(bytes: Buffer): Iterable<LogEntry> {
  for (let at = HEADER; at < bytes.length; at += entryLength(bytes, at)) yield new StoredEntry(bytes, at);
}

/** An entry where it stands in a checkpoint. */
class StoredEntry implements LogEntry {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly length: number;
  readonly head: number;
  readonly time: number;
  readonly size: number;
  readonly id: IdParts | undefined;
  readonly #bytes: Buffer;
  readonly #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.type = bytes[at]!;
    this.flags = bytes[at + 1]!;
    this.offset = bytes.readUInt32LE(at + 4);
    this.length = bytes.readUInt32LE(at + 8);
    this.head = bytes.readUInt32LE(at + 12);
    this.time = bytes.readDoubleLE(at + 16);
    this.size = bytes.readDoubleLE(at + 24);
    this.id = bytes[at + 2] === 0 ? undefined : idAt(bytes, at + 32);
  }

  meta(): Buffer {
    return this.#bytes.subarray(this.#at + ENTRY, this.#behindMeta);
  }

  sites(): readonly SiteKey[] {
    const length = this.#bytes.readUInt32LE(this.#at + 44);
    return Array.from({ length }, (_, each) => this.#bytes.readUInt32LE(this.#behindMeta + 4 * each));
  }

  get #behindMeta(): number {
    return this.#at + ENTRY + this.#bytes.readUInt32LE(this.#at + 48);
  }
}

function idAt(bytes: Buffer, at: number): IdParts {
  return { a: bytes.readUInt32LE(at), b: bytes.readUInt32LE(at + 4), c: bytes.readUInt32LE(at + 8) };
}
