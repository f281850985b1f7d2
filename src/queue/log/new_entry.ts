import type { SiteKey } from "../index/site_index.ts";
import { parseQueueId } from "../queue_id.ts";
import type { NewLogEntry } from "./checkpoint.ts";
import { headLength, RECORD, type RecordToWrite } from "./record.ts";
import { storedSites } from "./stored.ts";

interface Written {
  readonly record: RecordToWrite;
  readonly sites?: () => readonly SiteKey[];
}

/** What the index takes from a record that was written; the sites of its recipients only where they are asked for. */
export function newEntry(
  { record, sites }: Written,
  { offset, length }: { readonly offset: number; readonly length: number },
  bySite: boolean,
): NewLogEntry {
  const { type, flags = 0, time = 0, size = 0, key, meta, content } = record;
  const wanted = bySite && type === RECORD.message;
  return {
    type,
    flags,
    offset,
    length,
    time,
    size,
    head: type === RECORD.message ? headLength({ flags, contentLength: content?.length ?? 0 }) : 0,
    id: key === undefined ? undefined : parseQueueId(key),
    meta,
    sites: wanted ? sites?.() ?? storedSites(Buffer.from(meta)) : [],
  };
}
