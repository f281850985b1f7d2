/** Time as an argument, so that rules about waiting can be tested without waiting. */
export interface Clock {
  /** Milliseconds since 1970; may have fractions. */
  now(): number;
  /** Calls once after that many milliseconds, unless cancelled by the answer. At most one day, longer is cut to it. */
  after(milliseconds: number, call: () => void): () => void;
}

const DAY = 86_400_000;

/** The runtime's own clock. */
export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  after(milliseconds, call) {
    const timer = setTimeout(call, Math.min(Math.max(milliseconds, 0), DAY));
    return () => clearTimeout(timer);
  },
};
