import { type RecordStore, RecordStoreFault } from "../../platform/database/record_store.ts";
import { RenewedStore } from "../../platform/database/renewed_store.ts";
import { endOfPolicy, parseStsEntry, printStsEntry, type StsEntry } from "./sts_entry.ts";

/** What has been seen of domains, by their names in lower case. */
export interface StsCache {
  get(domain: string): StsEntry | undefined;
  put(domain: string, entry: StsEntry): void;
  /** Domains whose policies end between two moments. */
  endingBetween(after: number, before: number, limit: number): readonly string[];
  close(): void;
}

/** Seconds for which a failed fetch is remembered. */
const FAILURE_LIFE = 3600;
/** Entries that a process keeps in memory beside the file. */
const IN_MEMORY = 200;

/** When an entry may go: with its policy, or when its failure is of no interest any more. */
function endOf(entry: StsEntry): number {
  return Math.max(endOfPolicy(entry), (entry.failed?.at ?? 0) + FAILURE_LIFE);
}

/**
 * The cache that all workers share and that outlives them: a file for this user only. While the file cannot be used, what this
 * process has seen stands in: a policy that is known is not forgotten for the trouble of a disk.
 */
export class FileStsCache implements StsCache {
  readonly #store: RenewedStore;
  readonly #seen = new Map<string, StsEntry>();
  readonly #warn: (text: string) => void;

  constructor(path: string, most: number, warn: (text: string) => void) {
    this.#warn = warn;
    this.#store = new RenewedStore({ path, most, warn });
  }

  get(domain: string): StsEntry | undefined {
    const value = this.#use((store) => store.get(domain));
    const entry = value === undefined ? undefined : parseStsEntry(value);
    return entry ?? this.#seen.get(domain);
  }

  put(domain: string, entry: StsEntry): void {
    this.#seen.delete(domain);
    this.#seen.set(domain, entry);
    if (this.#seen.size > IN_MEMORY) this.#seen.delete(this.#seen.keys().next().value!);
    const precious = entry.policy !== undefined && entry.policy.mode !== "none";
    this.#use((store) => store.put(domain, { value: printStsEntry(entry), end: endOf(entry), precious }));
  }

  endingBetween(after: number, before: number, limit: number): readonly string[] {
    return this.#use((store) => store.preciousEnding(after, before, limit))?.map(({ key }) => key) ?? [];
  }

  /** Drops what has ended. */
  sweep(now: number): void {
    this.#use((store) => store.sweep(now, 1000));
    for (const [domain, entry] of this.#seen) if (endOf(entry) < now) this.#seen.delete(domain);
  }

  close(): void {
    this.#store.close();
  }

  /** Works on the file; undefined, with a warning, when that cannot be. */
  #use<T>(work: (store: RecordStore) => T): T | undefined {
    try {
      return this.#store.use(work);
    } catch (error) {
      if (!(error instanceof RecordStoreFault)) throw error;
      this.#warn(`MTA-STS policies: ${error.message}`);
      return undefined;
    }
  }
}
