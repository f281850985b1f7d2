import type { Clock } from "../base/clock.ts";
import type { VerifyCache } from "./verify_cache.ts";

/** Entries dropped in one go, and the pause between two goes in milliseconds: sessions are served in between. */
const PIECE = 500;
const PAUSE = 20;

/** Drops what is out of date, piece by piece, and reports in the words of a Postfix cache. */
export function cleanUp(cache: VerifyCache, clock: Clock, report: (text: string) => void): void {
  let dropped = 0;
  const go = (): void => {
    try {
      const now = cache.sweep(Math.floor(clock.now() / 1000), PIECE);
      dropped += now;
      if (now === PIECE) return void clock.after(PAUSE, go);
      report(`cache ${cache.name} full cleanup: retained=${cache.count()} dropped=${dropped} entries`);
    } catch (error) {
      report(`cache ${cache.name} cleanup failed: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  go();
}
