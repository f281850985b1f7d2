import type { Disk } from "../../platform/file/disk.ts";
import { queueFault } from "../fault.ts";

/** Writes and syncs a small file: resolves when the disk takes writes, rejects with QueueFault when not. */
export async function probeDisk(disk: Disk, path: string): Promise<void> {
  try {
    const file = disk.exists(path) ? disk.open(path, "write") : disk.create(path);
    try {
      file.write([Buffer.from("probe\n")], 0);
      await file.sync();
    } finally {
      file.close();
    }
  } catch (error) {
    throw queueFault("write to the queue", error);
  }
}
