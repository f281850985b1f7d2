/** The limits of the time between two attempts, in milliseconds (minimal_backoff_time, maximal_backoff_time). */
export interface Backoff {
  readonly minimal: number;
  readonly maximal: number;
}

/**
 * When to try again: after as long as the message has waited already, within the two limits (qmgr(8)), so that waiting
 * doubles. `random` (0..1) spreads it by a tenth, so that what failed together does not come back together.
 */
export function nextAttempt(now: number, arrival: number, backoff: Backoff, random: number): number {
  const wait = Math.min(Math.max(now - arrival, backoff.minimal), backoff.maximal);
  const spread = wait * 0.1 * random;
  return Math.round(now + (wait + spread > backoff.maximal ? wait - spread : wait + spread));
}
