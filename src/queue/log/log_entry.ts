import type { SiteKey } from "../index/site_index.ts";
import { type IdParts, parseQueueId } from "../queue_id.ts";
import { decodeHead, FLAG, headLength, RECORD, recordLength } from "./record.ts";
import { storedSites } from "./stored.ts";

/** What the index takes from a record of the log: all but the content. */
export interface LogEntry {
  readonly type: number;
  readonly flags: number;
  /** Where the record is in its segment. */
  readonly offset: number;
  readonly length: number;
  /** Arrival of a message, due time of a state. */
  readonly time: number;
  /** Size of a message's content, wherever it is. */
  readonly size: number;
  /** Bytes of a content that are in the record when the rest is in a file of its own, else 0. */
  readonly head: number;
  /** Of the message; undefined in records that name none. */
  readonly id: IdParts | undefined;
  /** Only to be asked for where `usesMeta`. */
  meta(): Buffer;
  /** Sites of a message's recipients. */
  sites(): readonly SiteKey[];
}

/** Whether the index takes something from the meta of a record. */
export function usesMeta({ type, flags }: Pick<LogEntry, "type" | "flags">): boolean {
  if (type === RECORD.message) return (flags & (FLAG.inherits | FLAG.replaces)) !== 0;
  if (type === RECORD.state) return (flags & FLAG.delta) !== 0;
  return type === RECORD.removed;
}

/** A record as it was read; its bytes must stay as they are as long as the entry is used. */
export interface ReadRecord {
  readonly version: number;
  /** Group commit that wrote it. */
  readonly batch: number;
  readonly entry: LogEntry;
}

/** The intact record at a place in the bytes of a segment, which stands at `offset` in its file. */
export function readEntry(bytes: Buffer, at: number, { nonce, offset }: ReadPlace): ReadRecord {
  const head = decodeHead(bytes, at, nonce)!;
  const length = recordLength(bytes, at);
  const end = at + length - head.contentLength;
  const meta = () => bytes.subarray(end - head.metaLength, end);
  const { type, flags, time, size } = head;
  const named = type === RECORD.message || type === RECORD.state;
  return {
    version: head.version,
    batch: head.batch,
    entry: {
      type,
      flags,
      offset,
      length,
      time,
      size,
      head: headLength(head),
      id: named ? parseQueueId(head.key) : undefined,
      meta,
      sites: () => storedSites(meta()),
    },
  };
}

interface ReadPlace {
  readonly nonce: number;
  readonly offset: number;
}
