import type { Disk } from "../../platform/file/disk.ts";
import { queueFault } from "../fault.ts";
import { readChunks } from "../log/spool.ts";
import type { Content } from "../store.ts";

/** Content that is in memory. */
export function memoryContent(bytes: Uint8Array): Content {
  return {
    size: bytes.length,
    bytes,
    async *chunks() {
      yield bytes;
    },
  };
}

/** Content in a file of its own, read again for every use. */
export function spooledContent(disk: Disk, path: string, size: number): Content {
  return {
    size,
    bytes: undefined,
    async *chunks() {
      try {
        yield* readChunks(disk, path, size);
      } catch (error) {
        throw queueFault(`read ${path}`, error);
      }
    },
  };
}
