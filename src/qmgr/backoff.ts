/** The limits of the time between two attempts, in milliseconds (minimal_backoff_time, maximal_backoff_time). */
export interface Backoff {
  readonly minimal: number;
  readonly maximal: number;
}

/**
 * How long to wait before the next attempt: as long as the message has waited already, within the two limits (qmgr(8)), so that
 * waiting doubles. `random` (0..1) spreads it by a tenth, so that what failed together does not come back together.
 */
export function waitingTime(age: number, backoff: Backoff, random: number): number {
  const wait = Math.min(Math.max(age, backoff.minimal), backoff.maximal);
  const spread = wait * 0.1 * random;
  return Math.round(wait + spread > backoff.maximal ? wait - spread : wait + spread);
}
