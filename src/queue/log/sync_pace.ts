/** A sync up to this long, in milliseconds, costs less than handing it to another thread and hearing of it. */
const QUICK = 1;
/** So many quick ones in a row are taken for the disk's way. */
const PROVEN = 8;

/** Whether the disk syncs so quickly that it may be waited for where one stands: a single slow sync says no for a while. */
export class SyncPace {
  #quick = 0;

  get isQuick(): boolean {
    return this.#quick === PROVEN;
  }

  /** Hears how long a sync took, in milliseconds. */
  took(milliseconds: number): void {
    this.#quick = milliseconds > QUICK ? 0 : Math.min(this.#quick + 1, PROVEN);
  }
}
