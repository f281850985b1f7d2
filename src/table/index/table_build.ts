import type { FileReplacement } from "../../platform/file/file_replacement.ts";
import type { IndexFormat } from "./index_formats.ts";
import { Gathering } from "./page_sink.ts";
import { RecordSet } from "./records/record_set.ts";

/** What writing an index needs from the world. */
export interface BuildWorld {
  readonly uniqueId: () => Uint8Array;
  /** Page size of new .db files: the file system's block size, within bounds. */
  readonly pageSize: number;
  readonly mapSize: number;
  readonly replace: (path: string) => FileReplacement;
}

/** Berkeley DB's choice of a page size (st_blksize in 512..16384, else 8192). */
export function pageSizeFor(blockSize: number): number {
  const size = Math.min(Math.max(blockSize, 512), 16384);
  return (size & (size - 1)) === 0 ? size : 8192;
}

/** Writes the records as an index that replaces `path` when it is whole; on any failure the old one stays. */
export function writeIndex(format: IndexFormat, path: string, records: RecordSet, world: BuildWorld): void {
  records.seal();
  const file = world.replace(path);
  const sink = new Gathering(file);
  try {
    format.write(records, sink, {
      pageSize: world.pageSize,
      uniqueId: world.uniqueId(),
      mapSize: world.mapSize,
    });
    sink.flush();
  } catch (error) {
    file.abandon();
    throw error;
  } finally {
    records.close();
  }
  file.commit();
}

/** Adds all records of an existing index, as stored. Throws what opening it throws. */
export function takeIndex(format: IndexFormat, path: string, records: RecordSet): void {
  const file = format.open(path);
  try {
    for (const { key, value } of file.records()) records.add(key, value, false, "both");
  } finally {
    file.close();
  }
}
