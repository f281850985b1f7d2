import { cdbHash } from "./cdb_file.ts";
import type { ByteSink } from "./page_sink.ts";
import { copyBytes } from "./hash_writer.ts";
import { TableFault } from "./record_file.ts";
import type { RecordSet } from "./record_set.ts";

const HEADER = 2048;
const CHUNK = 1 << 20;

/** Writes bytes one behind the other through a buffer. */
class Stream {
  readonly #sink: ByteSink;
  readonly #chunk = Buffer.alloc(CHUNK);
  #filled = 0;
  position: number;

  constructor(sink: ByteSink, start: number) {
    this.#sink = sink;
    this.position = start;
  }

  u32(first: number, second: number): void {
    if (this.#filled + 8 > CHUNK) this.flush();
    this.#chunk.writeUInt32LE(first >>> 0, this.#filled);
    this.#chunk.writeUInt32LE(second >>> 0, this.#filled + 4);
    this.#filled += 8;
    this.position += 8;
  }

  bytes(from: Uint8Array, start: number, length: number): void {
    if (this.#filled + length > CHUNK) this.flush();
    if (length > CHUNK) this.#sink.write(from.subarray(start, start + length), this.position);
    else {
      copyBytes(from, start, length, this.#chunk, this.#filled);
      this.#filled += length;
    }
    this.position += length;
  }

  flush(): void {
    if (this.#filled > 0) {
      this.#sink.write(this.#chunk.subarray(0, this.#filled), this.position - this.#filled);
    }
    this.#filled = 0;
  }
}

/** Writes a constant database: records in order of insertion, then 256 hash tables, the header last. */
export function writeCdb(records: RecordSet, sink: ByteSink): void {
  const order = records.living();
  const hashes = new Int32Array(order.length);
  const positions = new Uint32Array(order.length);
  const stream = new Stream(sink, HEADER);
  order.forEach((index, at) => {
    if (stream.position > 0xffffffff) throw new TableFault("a cdb file can hold 4 GiB at most");
    const [keyStart, keyLength] = [records.keyStart[index]!, records.keyLength[index]!];
    hashes[at] = cdbHash(records.arena, keyStart, keyStart + keyLength);
    positions[at] = stream.position;
    stream.u32(keyLength, records.valueLength[index]!);
    stream.bytes(records.arena, keyStart, keyLength + records.valueLength[index]!);
  });
  const header = writeTables(hashes, positions, stream);
  if (stream.position > 0xffffffff) throw new TableFault("a cdb file can hold 4 GiB at most");
  stream.flush();
  sink.write(header, 0);
}

function writeTables(hashes: Int32Array, positions: Uint32Array, stream: Stream): Buffer {
  const header = Buffer.alloc(HEADER);
  const starts = new Uint32Array(257);
  for (let at = 0; at < hashes.length; at++) starts[(hashes[at]! & 255) + 1]!++;
  for (let table = 0; table < 256; table++) starts[table + 1]! += starts[table]!;
  const members = new Uint32Array(hashes.length);
  const next = starts.slice(0, 256);
  hashes.forEach((hash, at) => members[next[hash & 255]!++] = at);
  for (let table = 0; table < 256; table++) {
    const own = members.subarray(starts[table]!, starts[table + 1]!);
    header.writeUInt32LE(stream.position >>> 0, 8 * table);
    header.writeUInt32LE(2 * own.length, 8 * table + 4);
    writeTable(own, hashes, positions, stream);
  }
  return header;
}

function writeTable(own: Uint32Array, hashes: Int32Array, positions: Uint32Array, stream: Stream): void {
  const slots = 2 * own.length;
  const table = new Int32Array(slots).fill(-1);
  for (let n = 0; n < own.length; n++) {
    const at = own[n]!;
    let slot = (hashes[at]! >>> 8) % slots;
    while (table[slot]! >= 0) slot = slot + 1 === slots ? 0 : slot + 1;
    table[slot] = at;
  }
  for (let slot = 0; slot < slots; slot++) {
    const at = table[slot]!;
    if (at < 0) stream.u32(0, 0);
    else stream.u32(hashes[at]!, positions[at]!);
  }
}
