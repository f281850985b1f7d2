import type { Clock } from "../../base/clock.ts";
import type { MaybeAsync } from "../../base/maybe_async.ts";

/** A session as it is looked at when others wait for its slot. */
export interface SlotHolder {
  /** Since when it has not come on; undefined while something is under way that must not be interrupted. */
  readonly idleSince: number | undefined;
  /** Whether it may keep its slot as long as it likes. */
  isTrusted(): MaybeAsync<boolean>;
  /** Ends it like one that has been silent for too long. */
  timeout(): void;
}

/** What making room needs. */
export interface SlotReclaimerOptions<Session extends SlotHolder> {
  readonly sessions: ReadonlySet<Session>;
  /** Whether anybody waits for a slot. */
  readonly isWanted: () => boolean;
  /** How long an idle session is borne with, in milliseconds. */
  readonly timeLimit: number;
  readonly clock: Clock;
}

/**
 * While clients wait for a slot, the strangers that have been idle longest give theirs up. Postfix's stress settings hold only for
 * sessions that begin under stress (STRESS_README): those that came before would keep all others out for the time limit of calm days.
 */
export class SlotReclaimer<Session extends SlotHolder> {
  readonly #options: SlotReclaimerOptions<Session>;
  #running = false;
  #cancel: (() => void) | undefined;

  constructor(options: SlotReclaimerOptions<Session>) {
    this.#options = options;
  }

  /** Somebody waits: looks now, and again when the next session has been idle too long. */
  wanted(): void {
    if (this.#running) return;
    this.#running = true;
    void this.#reclaim().finally(() => this.#running = false);
  }

  async #reclaim(): Promise<void> {
    const { sessions, isWanted, timeLimit, clock } = this.#options;
    this.#cancel?.();
    this.#cancel = undefined;
    for (const { session, since } of idlest(sessions)) {
      if (!isWanted()) return;
      const left = since + timeLimit - clock.now();
      if (left > 0) return this.#lookAgain(left);
      const stays = await mayStay(session);
      // It may have come on while the question was asked.
      if (!stays && session.idleSince === since) session.timeout();
    }
    if (isWanted()) this.#lookAgain(timeLimit);
  }

  #lookAgain(milliseconds: number): void {
    this.#cancel = this.#options.clock.after(milliseconds, () => this.wanted());
  }
}

/** When the table of trusted clients is in trouble, nobody has to go for it. */
async function mayStay(session: SlotHolder): Promise<boolean> {
  try {
    return await session.isTrusted();
  } catch {
    return true;
  }
}

function idlest<Session extends SlotHolder>(sessions: ReadonlySet<Session>) {
  const idle: { readonly session: Session; readonly since: number }[] = [];
  for (const session of sessions) {
    const since = session.idleSince;
    if (since !== undefined) idle.push({ session, since });
  }
  return idle.sort((a, b) => a.since - b.since);
}
