import { crc32 } from "../../platform/checksum.ts";
import type { DiskFile } from "../../platform/file/disk.ts";

/** A segment's durable bytes, and how many message records are in them. */
export interface MarkedSegment {
  /** 0 when there is none. */
  readonly number: number;
  readonly end: number;
  readonly messages: number;
}

/** What the log says of a segment: how much of it is durable, and how many message records are in that. */
export interface Expected {
  readonly end: number;
  /** Undefined when that cannot be known. */
  readonly messages: number | undefined;
}

/** How far a shard's log is good. Written after the sync that made it so: whatever mark is found, all that it says is true. */
export interface LogMark {
  /** Grows with every mark of the shard. */
  readonly sequence: number;
  /** Segments below this number are finished: they may be gone. */
  readonly first: number;
  /** The newest segment, and the one before it: what its header says of that may be damaged too. */
  readonly newest: MarkedSegment;
  readonly before: MarkedSegment;
  /** Messages in the queue at that moment; undefined as long as what an earlier process left was not loaded. */
  readonly living: number | undefined;
  /** Left by a clean stop: nothing was changed afterwards, and the roster of that number says what was in the queue. */
  readonly clean: boolean;
}

const MAGIC = 0x6d746d6b; // "mtmk"
const LENGTH = 64;
/** In place of a number of messages that is not known. */
const UNKNOWN = -1;
const CRC_AT = LENGTH - 4;

function putSegment(into: Buffer, { number, messages, end }: MarkedSegment, at: number): void {
  into.writeUInt32LE(number, at);
  into.writeUInt32LE(messages, at + 4);
  into.writeDoubleLE(end, at + 8);
}

function segmentAt(bytes: Buffer, at: number): MarkedSegment {
  return {
    number: bytes.readUInt32LE(at),
    messages: bytes.readUInt32LE(at + 4),
    end: bytes.readDoubleLE(at + 8),
  };
}

function encodeMark(mark: LogMark): Buffer {
  const out = Buffer.alloc(LENGTH);
  out.writeUInt32LE(MAGIC, 0);
  out.writeUInt32LE(mark.clean ? 1 : 0, 4);
  out.writeDoubleLE(mark.sequence, 8);
  out.writeUInt32LE(mark.first, 16);
  putSegment(out, mark.newest, 20);
  putSegment(out, mark.before, 36);
  out.writeDoubleLE(mark.living ?? UNKNOWN, 52);
  out.writeUInt32LE(crc32(out.subarray(0, CRC_AT)), CRC_AT);
  return out;
}

function decodeMark(bytes: Buffer): LogMark | undefined {
  if (bytes.length < LENGTH) return undefined;
  if (bytes.readUInt32LE(0) !== MAGIC) return undefined;
  if (bytes.readUInt32LE(CRC_AT) !== crc32(bytes.subarray(0, CRC_AT))) return undefined;
  const living = bytes.readDoubleLE(52);
  return {
    clean: bytes.readUInt32LE(4) === 1,
    sequence: bytes.readDoubleLE(8),
    first: bytes.readUInt32LE(16),
    newest: segmentAt(bytes, 20),
    before: segmentAt(bytes, 36),
    living: living === UNKNOWN ? undefined : living,
  };
}

/** A block of a file with two places for marks, written in turn: a torn write leaves the mark before. */
export class MarkBlock {
  readonly #file: DiskFile;
  readonly #offset: number;
  readonly #size: number;

  constructor(file: DiskFile, offset: number, size: number) {
    this.#file = file;
    this.#offset = offset;
    this.#size = size;
  }

  /** Throws when the disk does not take it; it counts after the file's next sync. */
  write(mark: LogMark): void {
    this.#file.write([encodeMark(mark)], this.#offset + (mark.sequence % 2) * (this.#size / 2));
  }

  async read(): Promise<LogMark[]> {
    const bytes = Buffer.alloc(this.#size);
    await this.#file.read(bytes, this.#offset).catch(() => bytes.fill(0));
    return decodeMarks(bytes);
  }
}

/** The marks in a block that can be read: none, one or two. */
export function decodeMarks(block: Buffer): LogMark[] {
  return [0, block.length / 2].flatMap((at) => decodeMark(block.subarray(at, at + LENGTH)) ?? []);
}

/** Whether a place for a mark holds something that is none: a write of one sector is whole or not at all, so it has rotted. */
export function hasRottenMark(block: Buffer): boolean {
  return [0, block.length / 2].some((at) => {
    const place = block.subarray(at, at + LENGTH);
    return place.some((byte) => byte !== 0) && decodeMark(place) === undefined;
  });
}
