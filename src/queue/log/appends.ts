import type { Batch, Entry, Source } from "./group_commit.ts";
import type { QueueFault } from "../store.ts";

/** Room in one batch for new messages. */
const MOST_BYTES = 8 * 1024 * 1024;
const MOST_MESSAGES = 4096;

/** New messages that wait for the next batch. */
export class Appends implements Source {
  #entries: Entry[] = [];

  get waiting(): boolean {
    return this.#entries.length > 0;
  }

  get asking(): number {
    return this.#entries.length;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
  }

  fill(batch: Batch): void {
    const entries = this.#entries;
    let at = 0;
    while (at < entries.length && at < MOST_MESSAGES && batch.bytes < MOST_BYTES) add(batch, entries[at++]!);
    this.#entries = at === entries.length ? [] : entries.slice(at);
  }

  refuse(fault: QueueFault): void {
    const entries = this.#entries;
    this.#entries = [];
    for (const entry of entries) entry.failed(fault, false);
  }
}

function add(batch: Batch, entry: Entry): void {
  const fault = entry.refusal?.();
  if (fault === undefined) batch.add(entry);
  else entry.failed(fault, false);
}
