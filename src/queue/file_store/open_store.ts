import { join } from "node:path";
import type { FileStoreOptions } from "../log/file_store_options.ts";
import { errorCode } from "../../platform/system_error.ts";
import { type Ownership, QueueFault, type QueueStore } from "../store.ts";
import { beginFileStore } from "./open_file_store.ts";
import { openReadOnly, type QueueReader } from "./read_only.ts";

/** Whose messages the stores of a service hold: said before any is open, for whoever asks the workers. */
export const OWNERSHIP: Ownership = "worker";

/** The folder below queue_directory that the store writes to; it belongs to mail_owner. */
export function storeFolder(queueDirectory: string): string {
  return join(queueDirectory, "mta");
}

/**
 * Opens the store of one worker, and with it what a worker that is gone has left. It takes mail at once, however much that is (`loaded`).
 * Rejects with QueueFault.
 */
export function openStore(options: Omit<FileStoreOptions, "shard">): Promise<QueueStore> {
  return beginFileStore(options);
}

/**
 * Opens the queue of a service that is down, to look at it: nothing is written and no lock taken. Rejects with the system's error where
 * the caller may not read it.
 */
export async function openForReading(queueDirectory: string): Promise<QueueReader> {
  try {
    return await openReadOnly(queueDirectory);
  } catch (error) {
    throw error instanceof QueueFault && errorCode(error.cause) === "EACCES" ? error.cause : error;
  }
}
