import type { Clock } from "../../base/clock.ts";
import {
  type FlushAnswer,
  type FlushDeps,
  type FlushSettings,
  type FlushSite,
  openFlush,
} from "../../flush/flush.ts";
import type { Qmgr } from "../../qmgr/qmgr.ts";
import type { QueueId } from "../../queue/envelope.ts";
import type { QueueStore } from "../../queue/store.ts";

/** Makes deferred mail due now, as far as this worker has it. */
export interface Flushes {
  /** All of it, or messages (`postqueue -f`, `-i`); answers how many. */
  messages(ids?: readonly QueueId[]): Promise<number>;
  /** For a site of fast_flush_domains (ETRN, `postqueue -s`). */
  readonly site: FlushSite;
  /** Messages of other workers have come in: what was asked for lately counts for them too. */
  takenOver(): Promise<void>;
}

/** What flushes need. */
export interface FlushesDeps extends Pick<FlushDeps, "openTables" | "log"> {
  readonly store: Pick<QueueStore, "retryNow" | "retrySite">;
  readonly qmgr: Pick<Qmgr, "forgetDead" | "wake">;
  readonly clock: Clock;
}

/**
 * While the workers of before a reload come to their end, their messages are in nobody's hands, and nobody can make them due: for so
 * long, in milliseconds, a flush is remembered, and so many of them are.
 */
const REMEMBERED = 120_000;
const MOST = 100;

/** Opens the flushes of a worker. Dead destinations are forgotten first: while one is still dead, the rest of its mail need not find out. */
export function openFlushes(settings: FlushSettings, deps: FlushesDeps): Flushes {
  const { store, qmgr, clock, openTables, log } = deps;
  const recent: { readonly until: number; readonly run: () => Promise<number> }[] = [];
  const now = async (run: () => Promise<number>): Promise<number> => {
    qmgr.forgetDead();
    const moved = await run();
    qmgr.wake();
    return moved;
  };
  const remembered = (run: () => Promise<number>): Promise<number> => {
    recent.push({ until: clock.now() + REMEMBERED, run });
    if (recent.length > MOST) recent.shift();
    return now(run);
  };
  return {
    messages: (ids) => remembered(() => store.retryNow(ids)),
    site: openFlush(settings, {
      openTables,
      log,
      send: async (site): Promise<FlushAnswer> => (await remembered(() => store.retrySite(site)), "started"),
    }),
    async takenOver() {
      for (const { until, run } of recent.splice(0)) {
        if (until <= clock.now()) continue;
        recent.push({ until, run });
        await now(run);
      }
    },
  };
}
