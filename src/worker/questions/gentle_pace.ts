import { systemClock } from "../../base/clock.ts";

/** So much work, in milliseconds, is done before a rest, which is so many times as long for each of those who rest. */
const STRETCH = 5;
const RESTS = 3;

/** How many listings of ordinary users there are at the moment. */
let going = 0;

/**
 * The pace of listings for ordinary users: together they take no more than a fourth of the worker's time, however many there are, and
 * mail has the rest. `pause` is called between messages; `end` when the listing is over.
 */
export function gentlePace(): { readonly pause: () => Promise<void> | undefined; readonly end: () => void } {
  going++;
  let began = performance.now();
  const rest = async (worked: number): Promise<void> => {
    await new Promise<void>((resolve) => void systemClock.after(worked * RESTS * going, resolve));
    began = performance.now();
  };
  return {
    pause: () => {
      const worked = performance.now() - began;
      return worked < STRETCH ? undefined : rest(Math.min(worked, 10 * STRETCH));
    },
    end: () => void going--,
  };
}
