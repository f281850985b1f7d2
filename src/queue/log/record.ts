import { crc32 } from "../../platform/checksum.ts";

/** Kinds of record in a segment. */
export const RECORD = {
  /** Envelope and content of a message. */
  message: 1,
  /** Recipients' states, due time and marks of a message. */
  state: 2,
  /** Ids of messages that are finished. */
  removed: 3,
  /** First record of every segment. */
  segment: 4,
  /** Stands where a write was never finished, so that it is not taken for damage later. */
  filler: 5,
} as const;

/** What `flags` may hold. */
export const FLAG = {
  hold: 1,
  deferred: 2,
  expire: 4,
  warned: 8,
  /** The body is in a spool file of its own. */
  spooled: 16,
  /** The states are those that changed, as pairs of index and state; without it they are all of them. */
  delta: 32,
  /** Of a message's record: it came from another shard, and its meta also says what was known of it there. */
  inherits: 64,
  /** Of a message's record: it takes the place of another one, which its envelope names. */
  replaces: 128,
  /** Of a state: it was an operator who held the message. */
  byOperator: 64,
  /** Of a state: the message is to go through cleanup(8) again (postsuper(1) -r). */
  requeue: 128,
} as const;

/** Flags that a state record carries. */
export const STATE_FLAGS = FLAG.hold | FLAG.deferred | FLAG.expire | FLAG.warned | FLAG.byOperator |
  FLAG.requeue;

/** Bytes before the key. */
export const HEADER_LENGTH = 44;
/** The version that this program writes; in version 1 a spool file has the head too. */
export const RECORD_VERSION = 2;

const MAGIC = 0x6d746171; // "mtaq"
const CRC_AT = 40;

/** What a record says before its meta and content. */
export interface RecordHead {
  readonly version: number;
  readonly type: number;
  readonly flags: number;
  /** Group commit that wrote it. */
  readonly batch: number;
  /** Arrival of a message, due time of a state. */
  readonly time: number;
  /** Size of the content, wherever it is. */
  readonly size: number;
  readonly key: string;
  readonly metaLength: number;
  readonly contentLength: number;
}

/** A record to be written. */
export interface RecordToWrite {
  readonly type: number;
  readonly flags?: number;
  readonly time?: number;
  readonly size?: number;
  readonly key?: string;
  readonly meta: string | Uint8Array;
  readonly content?: Uint8Array;
}

/** The mark that starts every record of a segment: the segment's own random number keeps mail content from posing as records. */
export function recordMark(nonce: number): Buffer {
  const mark = Buffer.allocUnsafe(8);
  mark.writeUInt32LE(MAGIC, 0);
  mark.writeUInt32LE(nonce, 4);
  return mark;
}

function putHead(into: Buffer, record: RecordToWrite, lengths: readonly [key: number, meta: number]): void {
  into.writeUInt32LE(MAGIC, 0);
  into[8] = RECORD_VERSION;
  into[9] = record.type;
  into[10] = record.flags ?? 0;
  into[11] = lengths[0];
  into.writeUInt32LE(lengths[1], 16);
  into.writeUInt32LE(record.content?.length ?? 0, 20);
  into.writeDoubleLE(record.time ?? 0, 24);
  into.writeDoubleLE(record.size ?? 0, 32);
}

/** Everything of a record but its content, which follows as it is. The checksum covers both. */
export function encodeRecord(
  record: RecordToWrite,
  at: { readonly nonce: number; readonly batch: number },
): Buffer {
  const { key = "", meta, content } = record;
  const metaLength = typeof meta === "string" ? Buffer.byteLength(meta) : meta.length;
  const out = Buffer.allocUnsafe(HEADER_LENGTH + key.length + metaLength);
  putHead(out, record, [key.length, metaLength]);
  out.writeUInt32LE(at.nonce, 4);
  out.writeUInt32LE(at.batch, 12);
  out.write(key, HEADER_LENGTH, "latin1");
  if (typeof meta === "string") out.write(meta, HEADER_LENGTH + key.length);
  else out.set(meta, HEADER_LENGTH + key.length);
  out.writeUInt32LE(checksum(out, content), CRC_AT);
  return out;
}

function checksum(head: Uint8Array, content?: Uint8Array): number {
  const sum = crc32(head.subarray(HEADER_LENGTH), crc32(head.subarray(0, CRC_AT)));
  return content === undefined ? sum : crc32(content, sum);
}

/** Reads the head at `at`; undefined when no record of this segment starts there or its head is cut off. */
export function decodeHead(bytes: Buffer, at: number, nonce: number): RecordHead | undefined {
  if (at + HEADER_LENGTH > bytes.length) return undefined;
  if (bytes.readUInt32LE(at) !== MAGIC || bytes.readUInt32LE(at + 4) !== nonce) return undefined;
  const keyLength = bytes[at + 11]!;
  return {
    version: bytes[at + 8]!,
    type: bytes[at + 9]!,
    flags: bytes[at + 10]!,
    batch: bytes.readUInt32LE(at + 12),
    time: bytes.readDoubleLE(at + 24),
    size: bytes.readDoubleLE(at + 32),
    key: bytes.toString("latin1", at + HEADER_LENGTH, at + HEADER_LENGTH + keyLength),
    metaLength: bytes.readUInt32LE(at + 16),
    contentLength: bytes.readUInt32LE(at + 20),
  };
}

/** Length of a whole record in bytes, known from its fixed part. */
export function recordLength(bytes: Buffer, at: number): number {
  return HEADER_LENGTH + bytes[at + 11]! + bytes.readUInt32LE(at + 16) + bytes.readUInt32LE(at + 20);
}

/** Whether the `length` bytes at `at` are what was written. */
export function isIntact(bytes: Buffer, at: number, length: number): boolean {
  const sum = crc32(
    bytes.subarray(at + HEADER_LENGTH, at + length),
    crc32(bytes.subarray(at, at + CRC_AT)),
  );
  return sum === bytes.readUInt32LE(at + CRC_AT);
}

/** A record in memory, whole and intact. */
export interface DecodedRecord {
  readonly head: RecordHead;
  readonly meta: Buffer;
  readonly content: Buffer;
}

/** Cuts a record into its parts; undefined when it is damaged. */
export function decodeRecord(bytes: Buffer, at: number, nonce: number): DecodedRecord | undefined {
  const head = decodeHead(bytes, at, nonce);
  if (head === undefined) return undefined;
  const length = recordLength(bytes, at);
  if (at + length > bytes.length || !isIntact(bytes, at, length)) return undefined;
  const meta = at + HEADER_LENGTH + head.key.length;
  return {
    head,
    meta: bytes.subarray(meta, meta + head.metaLength),
    content: bytes.subarray(meta + head.metaLength, at + length),
  };
}

const SUM_LENGTH = 4;

/** What the record of a message has of its content when the body is in a file of its own. */
export interface SpooledPart {
  /** Of the file; undefined in records of earlier versions. */
  readonly checksum: number | undefined;
  /** Empty in records of earlier versions: their file has it. */
  readonly head: Uint8Array;
}

/** Content of the record of a message whose body is in a file of its own: the file's checksum, and the head. */
export function printSpooled(checksum: number, head: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(SUM_LENGTH + head.length);
  out.writeUInt32LE(checksum);
  out.set(head, SUM_LENGTH);
  return out;
}

/** Reads what `printSpooled` made. */
export function parseSpooled(content: Buffer): SpooledPart {
  const checksum = content.length >= SUM_LENGTH ? content.readUInt32LE(0) : undefined;
  return { checksum, head: content.subarray(SUM_LENGTH) };
}

/** Length of the head in a message's record when the body is in a file of its own, else 0. */
export function headLength({ flags, contentLength }: Pick<RecordHead, "flags" | "contentLength">): number {
  return (flags & FLAG.spooled) === 0 ? 0 : Math.max(contentLength - SUM_LENGTH, 0);
}
