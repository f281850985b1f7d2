import { discardRecords, RecordStore, RecordStoreFault } from "../platform/database/record_store.ts";
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
  readonly #options: FileCacheOptions;
  #store: RecordStore | undefined;

  constructor(options: FileCacheOptions) {
    this.name = options.name;
    this.#options = options;
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
    this.#store?.close();
    this.#store = undefined;
  }

  /** Works on the open file; on a new one when what is there is damaged. */
  #use<T>(work: (store: RecordStore) => T): T {
    try {
      return work(this.#store ??= this.#open());
    } catch (error) {
      if (!(error instanceof RecordStoreFault) || !error.damaged) throw fault(error);
      this.#options.warn(`${error.message}: the cache is thrown away and begun anew`);
      this.close();
      discardRecords(this.#options.path, error.inode);
    }
    try {
      return work(this.#store = this.#open());
    } catch (error) {
      throw fault(error);
    }
  }

  #open(): RecordStore {
    const { path, most, first } = this.#options;
    const store = new RecordStore(path, most);
    if (store.isNew) store.addAll(records(first()));
    return store;
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
