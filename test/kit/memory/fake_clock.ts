import type { Clock } from "../../../src/base/clock.ts";

/** A clock that stands still until told to go on. */
export interface FakeClock extends Clock {
  /** Goes on by that time, calling what falls due in order and letting promises settle between. */
  advance(milliseconds: number): Promise<void>;
  /** Somebody sets it: what it shows jumps, and timers do not notice. */
  step(milliseconds: number): void;
  /** Timers that wait. */
  pending(): number;
}

/** Lets every promise that can settle do so. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  await new Promise((resolve) => setTimeout(resolve, 0));
}

/** A fake clock that begins at `start`. */
export function fakeClock(start = Date.UTC(2026, 10, 25, 1, 54, 39)): FakeClock {
  let now = start;
  let shown = 0;
  let waiting: { at: number; call: () => void }[] = [];
  return {
    now: () => now + shown,
    step: (milliseconds) => void (shown += milliseconds),
    after(milliseconds, call) {
      const timer = { at: now + milliseconds, call };
      waiting.push(timer);
      return () => void (waiting = waiting.filter((other) => other !== timer));
    },
    async advance(milliseconds) {
      const until = now + milliseconds;
      await settle();
      for (;;) {
        const next = waiting.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        waiting = waiting.filter((timer) => timer !== next);
        now = Math.max(now, next.at);
        next.call();
        await settle();
      }
      now = until;
      await settle();
    },
    pending: () => waiting.length,
  };
}
