/** Time as an argument, so that rules about waiting can be tested without waiting. */
export interface Clock {
  /** Milliseconds since 1970; may have fractions. */
  now(): number;
  /** Calls once after that many milliseconds, unless cancelled by the answer. At most one day, longer is cut to it. */
  after(milliseconds: number, call: () => void): () => void;
}

/**
 * A clock for waiting: when the other one is set back, it goes on from where it was. For what is due, never for how old something
 * is: after a step back it stays ahead.
 */
export function goingOn(now: () => number): () => number {
  let ahead = 0;
  let last = -Infinity;
  return () => {
    const time = now();
    if (time + ahead < last) ahead = last - time;
    return last = time + ahead;
  };
}

const DAY = 86_400_000;

/** Milliseconds by which the fine clock may differ from the wall clock, whose ticks are whole milliseconds. */
const TOLERANCE = 2;

let offset = Date.now() - performance.now();

/** The wall clock with fractions: the monotonic clock gives them, but stands still while the machine sleeps. */
function wallClock(): number {
  const wall = Date.now();
  const fine = offset + performance.now();
  if (Math.abs(fine - wall) <= TOLERANCE) return fine;
  offset = wall - performance.now();
  return wall;
}

/**
 * The one clock for waiting of a process: who opens the queue and who takes from it what is due go by the same, so that nothing is held
 * up when the other clock is set back between the two.
 */
export const waitingNow: () => number = goingOn(() => wallClock());

/** The runtime's own clock. */
export const systemClock: Clock = {
  now: wallClock,
  after(milliseconds, call) {
    const timer = setTimeout(call, Math.min(Math.max(milliseconds, 0), DAY));
    return () => clearTimeout(timer);
  },
};
