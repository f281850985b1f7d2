import { crc32 } from "../../platform/checksum.ts";
import type { Disk } from "../../platform/file/disk.ts";
import { count, list, record, type Shape, text as words } from "../../base/shape.ts";
import { readStored } from "../log/stored.ts";

/** A roster names at most so many messages. */
export const MOST_NAMED = 100_000;

/** What was in the queue when it was closed: after a clean stop it is known to the message what damage has taken. */
export interface Roster {
  /** Number of the clean mark that it belongs to: with any other mark it says nothing. */
  readonly mark: number;
  readonly total: number;
  /** All, or the first hundred thousand. */
  readonly ids: readonly string[];
}

const roster: Shape<Roster> = record<Roster>({
  mark: count,
  total: count,
  ids: list(words(Infinity), MOST_NAMED),
});

/** Writes the roster beside the log. Rejects when the disk fails. */
export async function writeRoster(
  disk: Disk,
  directory: string,
  { mark, total, ids }: Roster,
): Promise<void> {
  const path = `${directory}/roster`;
  if (disk.exists(path)) disk.unlink(path);
  const text = Buffer.from(JSON.stringify({ mark, total, ids: ids.slice(0, MOST_NAMED) }));
  const file = disk.create(path);
  try {
    file.write([Buffer.from(`${crc32(text).toString(16).padStart(8, "0")} `), text], 0);
    await file.sync();
  } finally {
    file.close();
  }
  await disk.syncDirectory(directory);
}

/** Reads the roster; undefined when there is none or it is damaged. */
export async function readRoster(disk: Disk, directory: string): Promise<Roster | undefined> {
  const path = `${directory}/roster`;
  if (!disk.exists(path)) return undefined;
  const file = disk.open(path, "read");
  try {
    const bytes = Buffer.alloc(file.size());
    await file.read(bytes, 0);
    const text = bytes.subarray(9);
    if (bytes.toString("latin1", 0, 8) !== crc32(text).toString(16).padStart(8, "0")) return undefined;
    return readStored(text, roster);
  } catch {
    return undefined;
  } finally {
    file.close();
  }
}
