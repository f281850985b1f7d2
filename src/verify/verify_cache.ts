import type { Entry } from "./entry.ts";

/** What address verification remembers. Calls are quick and never wait; they throw a CacheFault when the file cannot be used. */
export interface VerifyCache {
  /** What log lines call it. */
  readonly name: string;
  /** Other processes use it too. */
  readonly isShared: boolean;
  get(address: string): Entry | undefined;
  /** Keeps an entry that nobody needs after `end` (seconds since 1970). */
  put(address: string, entry: Entry, end: number): void;
  delete(address: string): void;
  /** How many addresses are in it. */
  count(): number;
  /** Drops up to `limit` entries whose end is past, and answers how many those were. */
  sweep(now: number, limit: number): number;
  close(): void;
}

/** Address verification has no use of its cache for now. */
export class CacheFault extends Error {
  override readonly name = "CacheFault";
}
