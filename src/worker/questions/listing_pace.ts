import { systemClock } from "../../base/clock.ts";
import { processInput } from "../../platform/socket/input_count.ts";

/** So much work is done at a stretch, in milliseconds: whatever else the worker has to do waits no longer. */
const STRETCH = 2;
/** A listing of an ordinary user then rests so many times as long, times as many as there are of them. */
const RESTS = 3;
/** Any other listing rests so many times as long when something has come over the network meanwhile; else it goes on. */
const RESTS_WHEN_BUSY = 2;
/** What a stretch counts for at most: its time may have been spent waiting for a reader. */
const MOST = 25;

/** Listings of ordinary users at the moment. */
let gentle = 0;

/** How a listing leaves a worker's time to mail. */
export interface ListingPace {
  /** Called between messages. */
  readonly pause: () => Promise<void> | undefined;
  /** The listing is over. */
  readonly end: () => void;
}

/**
 * Mail goes first. A listing takes what time is left, a third while there is mail to do; those of ordinary users, `gently`, take a fourth
 * together, however many there are and whether there is mail or not.
 */
export function listingPace(gently: boolean): ListingPace {
  if (gently) gentle++;
  let [began, inputs] = [performance.now(), processInput.seen];
  const rest = async (worked: number): Promise<void> => {
    if (gently) await sleep(worked * RESTS * gentle);
    else if (processInput.seen !== inputs) await sleep(worked * RESTS_WHEN_BUSY);
    else await new Promise<void>((resolve) => setImmediate(resolve));
    [began, inputs] = [performance.now(), processInput.seen];
  };
  return {
    pause: () => {
      const worked = performance.now() - began;
      return worked < STRETCH ? undefined : rest(Math.min(worked, MOST));
    },
    end: () => {
      if (gently) gentle--;
    },
  };
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => void systemClock.after(milliseconds, resolve));
}
