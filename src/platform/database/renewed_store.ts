import { discardRecords, RecordStore, RecordStoreFault } from "./record_store.ts";

/** What a renewed store is opened with. */
export interface RenewedStoreOptions {
  readonly path: string;
  /** Records that are kept, about. */
  readonly most: number;
  /** Puts into a new file what it is to begin with. */
  readonly begin?: (store: RecordStore) => void;
  /** Hears that a damaged file was thrown away. */
  readonly warn: (text: string) => void;
}

/** A record store whose file is thrown away and begun anew when it turns out to be damaged: for what can be found out again. */
export class RenewedStore {
  readonly #options: RenewedStoreOptions;
  #store: RecordStore | undefined;

  constructor(options: RenewedStoreOptions) {
    this.#options = options;
  }

  /** Works on the open file; on a new one when what is there is damaged. Throws a RecordStoreFault. */
  use<T>(work: (store: RecordStore) => T): T {
    try {
      return work(this.#store ??= this.#open());
    } catch (error) {
      if (!(error instanceof RecordStoreFault) || !error.damaged) throw error;
      this.#options.warn(`${error.message}: the cache is thrown away and begun anew`);
      this.close();
      discardRecords(this.#options.path, error.inode);
    }
    return work(this.#store = this.#open());
  }

  close(): void {
    this.#store?.close();
    this.#store = undefined;
  }

  #open(): RecordStore {
    const { path, most, begin } = this.#options;
    const store = new RecordStore(path, most);
    if (store.isNew) begin?.(store);
    return store;
  }
}
