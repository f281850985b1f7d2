/** How long work may hold the event loop before others get their turn, in milliseconds. */
const MOST = 10;

/** When this turn of the loop was first asked about; 0: not yet. */
let began = 0;

/**
 * For loops over what a peer has sent: undefined while this turn of the event loop is short, else a promise of the next turn.
 * All that runs in a turn counts together, so that many small pieces cannot add up to a long stop.
 */
export function pauseWhenDue(): Promise<void> | undefined {
  const now = performance.now();
  if (began === 0) {
    began = now;
    setImmediate(() => began = 0);
  }
  return now - began < MOST ? undefined : new Promise((resolve) => setImmediate(resolve));
}
