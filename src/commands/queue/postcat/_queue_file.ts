import { beginsEnvelope, type QueueFileRecord, RECORD_TYPE } from "./_record_types.ts";

/** What is wrong with a file that is to be one of Postfix's queue files. */
export class QueueFileFault extends Error {
  override readonly name = "QueueFileFault";
}

/** A pointer may lead back so often: headers that a filter has inserted, each once (Postfix's limit). */
const MOST_JUMPS_BACK = 10_000;

/** How a queue file is read. */
export interface QueueFileReading {
  /** Begin there (postcat -s). */
  readonly from: number;
  /** Do not follow pointers (postcat -r). */
  readonly raw: boolean;
}

/** Whether the bytes can be a queue file of Postfix's. */
export function isQueueFile(bytes: Buffer): boolean {
  return beginsEnvelope(bytes[0] ?? 0);
}

/** The records of a queue file of Postfix's. Throws QueueFileFault where there is none. */
export function* queueFileRecords(
  bytes: Buffer,
  { from, raw }: QueueFileReading,
): Generator<QueueFileRecord> {
  let [at, lastTarget, jumpsBack] = [from, 0, 0];
  while (at < bytes.length) {
    const record = recordAt(bytes, at);
    yield record;
    at = record.end;
    if (record.type !== RECORD_TYPE.pointer || raw) continue;
    const target = Number(record.data.toString("latin1").trim());
    if (!Number.isSafeInteger(target) || target < 0) {
      throw new QueueFileFault("bad pointer record, or input is not seekable");
    }
    if (target === 0) continue; // a place that was kept free
    if (target <= lastTarget && ++jumpsBack > MOST_JUMPS_BACK) {
      throw new QueueFileFault("too many reverse jump records");
    }
    at = lastTarget = target;
  }
}

/** Lengths have seven bits a byte, the lowest first. */
const MOST_LENGTH_BYTES = 4;

function recordAt(bytes: Buffer, offset: number): QueueFileRecord & { readonly end: number } {
  const type = bytes[offset]!;
  let [length, at] = [0, offset + 1];
  for (let index = 0;; index++) {
    const byte = bytes[at++];
    if (byte === undefined || index >= MOST_LENGTH_BYTES) throw new QueueFileFault("record read error");
    length |= (byte & 0x7f) << (7 * index);
    if ((byte & 0x80) === 0) break;
  }
  const end = at + length;
  if (end > bytes.length) throw new QueueFileFault("record read error");
  return { offset, type, data: bytes.subarray(at, end), end };
}
