/** How much one success or failure moves a destination's concurrency window, given the window (SCHEDULER_README). */
export type Feedback = (window: number) => number;

/**
 * Reads `default_destination_concurrency_positive_feedback` and its kin: a number, or a number divided by a number,
 * `concurrency` or `sqrt_concurrency`. Undefined when it is none of these or not between 0 and 1 (postconf(5)).
 */
export function parseFeedback(text: string): Feedback | undefined {
  const match = /^\s*(\d*\.?\d+)\s*(?:\/\s*(\d*\.?\d+|concurrency|sqrt_concurrency)\s*)?$/.exec(text);
  if (match === null) return undefined;
  const base = Number(match[1]);
  const divisor = match[2];
  if (divisor === "concurrency") return (window) => base / window;
  if (divisor === "sqrt_concurrency") return (window) => base / Math.sqrt(window);
  const value = divisor === undefined ? base : base / Number(divisor);
  return value <= 1 ? () => value : undefined;
}

/** How many deliveries a destination may have at a time, and what it has learnt (postconf(5), *_concurrency_*). */
export interface Window {
  size: number;
  /** Gathered fractions of a step up or down. */
  success: number;
  failure: number;
  /** Failures since the last success, each counted as a part of the window. */
  failedCohorts: number;
}

/** What a window obeys. */
export interface WindowLimits {
  /** Most deliveries at a time; 0 = no limit. */
  readonly concurrency: number;
  readonly initial: number;
  readonly positive: Feedback;
  readonly negative: Feedback;
  /** Failed cohorts after which the destination is dead; 0 = never. */
  readonly failedCohorts: number;
}

/** The window of a destination that nothing is known of. */
export function newWindow(limits: WindowLimits): Window {
  const size = limits.concurrency > 0 ? Math.min(limits.initial, limits.concurrency) : limits.initial;
  return { size, success: 0, failure: 0, failedCohorts: 0 };
}

/** A delivery reached the destination: the window may grow, but not far beyond what is in use. */
export function widen(window: Window, limits: WindowLimits, running: number): void {
  window.failedCohorts = 0;
  const open = limits.concurrency === 0 || window.size < limits.concurrency;
  if (!open || window.size >= running + limits.initial) return;
  const step = limits.positive(window.size);
  window.success += step;
  while (window.success + step / 2 >= 1) {
    window.size++;
    window.success--;
    window.failure = 0;
  }
  if (limits.concurrency > 0 && window.size > limits.concurrency) window.size = limits.concurrency;
}

/** The destination could not be reached: the window shrinks. Answers whether the destination now counts as dead. */
export function narrow(window: Window, limits: WindowLimits): boolean {
  window.failedCohorts += 1 / window.size;
  // A little slack: five fifths do not sum up to one in binary.
  if (limits.failedCohorts > 0 && window.failedCohorts >= limits.failedCohorts - 1e-9) return true;
  const step = limits.negative(window.size);
  window.failure -= step;
  while (window.failure - step / 2 < 0 && window.size > 1) {
    window.size--;
    window.success = 0;
    window.failure++;
  }
  if (window.failure < -1) window.failure = -1;
  return false;
}
