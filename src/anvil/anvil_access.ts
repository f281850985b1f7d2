import type { Anvil, RatedEvent } from "../smtpd/deps.ts";
import { type AnvilEvent, type AnvilLedger, MOST_EVENTS } from "./anvil_ledger.ts";

/** smtpd's anvil in a worker that is alone: its own ledger, answers at once. */
export function ownAnvil(ledger: AnvilLedger): Anvil {
  return {
    connect(service, range) {
      const [count, rate] = ledger.connect(0, `${service}:${range}`);
      return { count, rate };
    },
    disconnect: (service, range) => ledger.disconnect(0, `${service}:${range}`),
    count: (what, service, range) => ledger.count(what, `${service}:${range}`),
    newTlsRate: (service, range) => ledger.newTlsRate(`${service}:${range}`),
  };
}

type Counts = readonly [number, number];

/** Takes events to the ledger; the answer has the counts that each led to. */
export type AskLedger = (events: readonly AnvilEvent[]) => Promise<readonly Counts[]>;

/** An answer is waited for so long, in milliseconds: a master that is gone gives none, and mail under way is to be ended. */
const TIME_LIMIT = 5000;

/**
 * smtpd's anvil in one of several workers: master's ledger counts, so that a limit holds exactly whichever workers a client's
 * connections land on. What happens in one turn of the event loop travels in one message.
 */
export class SharedAnvil implements Anvil {
  readonly #ask: AskLedger;
  readonly #timeLimit: number;
  #events: AnvilEvent[] = [];
  #waiting: ((counts: Counts) => void)[] = [];

  constructor(ask: AskLedger, timeLimit = TIME_LIMIT) {
    this.#ask = ask;
    this.#timeLimit = timeLimit;
  }

  async connect(service: string, range: string): Promise<{ readonly count: number; readonly rate: number }> {
    const [count, rate] = await this.#tell(["connect", `${service}:${range}`]);
    return { count, rate };
  }

  disconnect(service: string, range: string): void {
    void this.#tell(["disconnect", `${service}:${range}`]);
  }

  async count(what: RatedEvent, service: string, range: string): Promise<number> {
    const [rate] = await this.#tell([what, `${service}:${range}`]);
    return rate;
  }

  async newTlsRate(service: string, range: string): Promise<number> {
    const [rate] = await this.#tell(["newTlsRate", `${service}:${range}`]);
    return rate;
  }

  #tell(event: AnvilEvent): Promise<Counts> {
    const count = this.#events.push(event);
    const counts = new Promise<Counts>((resolve) => void this.#waiting.push(resolve));
    if (count === 1) queueMicrotask(() => void this.#send());
    if (count >= MOST_EVENTS) void this.#send();
    return counts;
  }

  async #send(): Promise<void> {
    const [events, waiting] = [this.#events, this.#waiting];
    if (events.length === 0) return;
    this.#events = [];
    this.#waiting = [];
    // Without an answer, as when master has just died, nobody is over a limit.
    const settle = (answer: readonly Counts[]) =>
      waiting.forEach((resolve, at) => resolve(answer[at] ?? [0, 0]));
    const timer = setTimeout(() => settle([]), this.#timeLimit);
    settle(await this.#ask(events).catch(() => []));
    clearTimeout(timer);
  }
}
