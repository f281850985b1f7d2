import { MOST_ROWS } from "../protocol/worker_verbs.ts";

/** Characters of rows in one message: it stays well below the longest that master takes. */
const ENOUGH = 128 * 1024;

/** Gathers rows, so that a listing is not a message for each. */
export class RowBatch<Row> {
  readonly #send: (rows: readonly Row[]) => Promise<void>;
  #rows: Row[] = [];
  #size = 0;

  constructor(send: (rows: readonly Row[]) => Promise<void>) {
    this.#send = send;
  }

  async add(row: Row): Promise<void> {
    this.#rows.push(row);
    this.#size += JSON.stringify(row).length;
    if (this.#rows.length >= MOST_ROWS || this.#size >= ENOUGH) await this.end();
  }

  /** Sends what is there. */
  async end(): Promise<void> {
    const rows = this.#rows;
    if (rows.length === 0) return;
    this.#rows = [];
    this.#size = 0;
    await this.#send(rows);
  }
}
