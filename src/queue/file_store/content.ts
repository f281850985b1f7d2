import type { Disk } from "../../platform/file/disk.ts";
import { queueFault } from "../fault.ts";
import { ContentDamage, type ContentFile, readChunks } from "../log/spool.ts";
import type { KeptBody } from "./kept_body.ts";
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

/**
 * Content of which the head is in memory and the body in a file of its own, read again for every use, unless it is lent from `kept`;
 * `damaged` hears of a file that is not what was written.
 */
export function spooledContent(
  disk: Disk,
  head: Uint8Array,
  file: ContentFile,
  damaged: (why: string) => Promise<void> = () => Promise.resolve(),
  kept?: KeptBody,
): Content {
  return {
    size: head.length + file.size,
    bytes: undefined,
    lend: () => kept?.lend(head),
    async *chunks() {
      if (head.length > 0) yield head;
      try {
        yield* readChunks(disk, file);
      } catch (error) {
        if (error instanceof ContentDamage) await damaged(error.message);
        throw queueFault(`read ${file.path}`, error);
      }
    },
  };
}
