import { type RecordStore, RecordStoreFault } from "../platform/database/record_store.ts";
import { RenewedStore } from "../platform/database/renewed_store.ts";
import { CacheFault, type VerifyCache } from "./verify_cache.ts";
import { type Entry, parseRecord, printRecord } from "./entry.ts";

/** What a file cache is opened with. */
export interface FileCacheOptions {
  /** What log lines call it: address_verify_map as configured. */
  readonly name: string;
  readonly path: string;
  readonly most: number;
  /** Entries to begin a new file with. */
  readonly first: () => Iterable<readonly [address: string, entry: Entry, end: number]>;
  /** Hears what was wrong with the file. */
  readonly warn: (text: string) => void;
}

/** The cache that all workers share and that outlives them. A damaged file is thrown away: its loss costs new probes only. */
export class FileCache implements VerifyCache {
  readonly name: string;
  readonly isShared = true;
  readonly #store: RenewedStore;

  constructor({ name, path, most, first, warn }: FileCacheOptions) {
    this.name = name;
    this.#store = new RenewedStore({ path, most, warn, begin: (store) => store.addAll(records(first())) });
    this.#use(() => undefined);
  }

  get(address: string): Entry | undefined {
    const value = this.#use((store) => store.get(address));
    return value === undefined ? undefined : parseRecord(value);
  }

  put(address: string, entry: Entry, end: number): void {
    this.#use((store) => store.put(address, record(entry, end)));
  }

  delete(address: string): void {
    this.#use((store) => store.delete(address));
  }

  count(): number {
    return this.#use((store) => store.count());
  }

  sweep(now: number, limit: number): number {
    return this.#use((store) => store.sweep(now, limit));
  }

  close(): void {
    this.#store.close();
  }

  #use<T>(work: (store: RecordStore) => T): T {
    try {
      return this.#store.use(work);
    } catch (error) {
      throw fault(error);
    }
  }
}

function fault(error: unknown): unknown {
  return error instanceof RecordStoreFault ? new CacheFault(error.message, { cause: error }) : error;
}

function record(entry: Entry, end: number) {
  return { value: printRecord(entry), end, precious: entry.status === "deliverable" };
}

function* records(entries: Iterable<readonly [address: string, entry: Entry, end: number]>) {
  for (const [address, entry, end] of entries) yield [address, record(entry, end)] as const;
}
