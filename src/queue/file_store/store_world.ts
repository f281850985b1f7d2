import { processInput } from "../../platform/socket/input_count.ts";
import { systemDisk } from "../../platform/file/durable_file.ts";
import { type FileStoreOptions, QUEUE_LIMITS, type QueueLimits } from "../log/file_store_options.ts";

/** Options with every default filled in. */
export interface StoreWorld extends Required<Omit<FileStoreOptions, "limits" | "shard">> {
  readonly limits: QueueLimits;
}

function waitThen(milliseconds: number, call: () => void): () => void {
  const timer = setTimeout(call, milliseconds);
  return () => clearTimeout(timer);
}

function randomWord(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]!;
}

/** The options as the store uses them. */
export function storeWorld(options: FileStoreOptions): StoreWorld {
  return {
    directory: options.directory,
    settings: options.settings,
    report: options.report,
    limits: { ...QUEUE_LIMITS, ...options.limits },
    disk: options.disk ?? systemDisk,
    now: options.now ?? Date.now,
    bySite: options.bySite ?? false,
    input: options.input ?? processInput,
    random: options.random ?? randomWord,
    after: options.after ?? waitThen,
  };
}
