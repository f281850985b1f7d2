import type { MessageIndex } from "../index/message_index.ts";
import { parseQueueId } from "../queue_id.ts";
import { decodeHead, HEADER_LENGTH, RECORD, recordMark } from "../log/record.ts";
import type { Findings } from "../log/findings.ts";
import type { Roster } from "./roster.ts";
import type { Loss } from "../store.ts";

/** Ids of messages whose record began in damaged bytes and whose head can still be read. */
export function idsIn(bytes: Buffer, nonce: number): string[] {
  const mark = recordMark(nonce);
  const ids: string[] = [];
  for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) {
    if (at + HEADER_LENGTH + bytes[at + 11]! > bytes.length) continue;
    const head = decodeHead(bytes, at, nonce);
    if (head?.type === RECORD.message && parseQueueId(head.key) !== undefined) ids.push(head.key);
  }
  return ids;
}

/** What is known of the messages that damage has taken: to the message after a clean stop, within bounds after any other end. */
export function assessLoss(
  { unknown, finished, lostRecords, leftSince, mark }: Findings,
  { index, roster, seen, contents }: {
    readonly index: MessageIndex;
    /** What was in the queue when it was closed, where that is known. */
    readonly roster: Roster | undefined;
    /** Ids of records in damaged bytes. */
    readonly seen: readonly string[];
    /** Names of content files. */
    readonly contents: readonly string[];
  },
): Loss {
  const isThere = (id: string) => index.find(id) >= 0;
  if (roster !== undefined) {
    const ids = roster.ids.filter((id) => !isThere(id));
    return { least: ids.length, most: ids.length + roster.total - roster.ids.length, ids };
  }
  const candidates = new Set([...seen, ...unknown, ...contents]);
  const ids = [...candidates].filter((id) => !isThere(id) && !finished.has(id));
  const harmless = new Set(seen.filter((id) => isThere(id) || finished.has(id))).size;
  // Records that finish messages may be among what is lost: then more are here than should be, and more are lost than this.
  // What has come since the start, while this was loaded, is not counted.
  const least = Math.max(0, (mark?.living ?? 0) - leftSince - index.hidden);
  if (lostRecords === undefined) return { least, most: undefined, ids };
  return { least, most: Math.max(least, ids.length, lostRecords - harmless), ids };
}
