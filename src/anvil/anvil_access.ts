import type { Anvil, RatedEvent } from "../smtpd/deps.ts";
import type { AnvilEvent, AnvilLedger } from "./anvil_ledger.ts";

/** smtpd's anvil in a worker that is alone: its own ledger, answers at once. */
export function ownAnvil(ledger: AnvilLedger): Anvil {
  return {
    connect(service, range) {
      const [count, rate] = ledger.connect(0, `${service}:${range}`);
      return { count, rate };
    },
    disconnect: (service, range) => ledger.disconnect(0, `${service}:${range}`),
    count: (what, service, range) => ledger.count(what, `${service}:${range}`),
  };
}

type Counts = readonly [number, number];

/** An answer is waited for so long, in milliseconds: a master that is gone gives none, and mail under way is to be ended. */
const PATIENCE = 5000;

/**
 * smtpd's anvil in one of several workers: master's ledger counts, so that a limit holds exactly whichever workers a client's
 * connections land on. What happens in one turn of the event loop travels in one message.
 */
export class SharedAnvil implements Anvil {
  readonly #ask: (events: readonly AnvilEvent[]) => Promise<unknown>;
  readonly #patience: number;
  #events: AnvilEvent[] = [];
  #waiting: ((counts: Counts) => void)[] = [];

  constructor(ask: (events: readonly AnvilEvent[]) => Promise<unknown>, patience = PATIENCE) {
    this.#ask = ask;
    this.#patience = patience;
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

  #tell(event: AnvilEvent): Promise<Counts> {
    if (this.#events.push(event) === 1) queueMicrotask(() => void this.#send());
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }

  async #send(): Promise<void> {
    const [events, waiting] = [this.#events, this.#waiting];
    this.#events = [];
    this.#waiting = [];
    const settle = (answer?: unknown) => waiting.forEach((resolve, at) => resolve(countsIn(answer, at)));
    const timer = setTimeout(settle, this.#patience);
    settle(await this.#ask(events).catch(() => undefined));
    clearTimeout(timer);
  }
}

/** An answer's counts; without an answer, as when master has just died, nobody is over a limit. */
function countsIn(answer: unknown, at: number): Counts {
  const row: unknown = Array.isArray(answer) ? answer[at] : undefined;
  return Array.isArray(row) ? [Number(row[0]), Number(row[1])] : [0, 0];
}

/** The events of a worker's request. */
export function anvilEvents(value: unknown): readonly AnvilEvent[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((row: unknown): AnvilEvent[] => {
    const [what, key]: unknown[] = Array.isArray(row) ? row : [];
    return isEvent(what) && typeof key === "string" ? [[what, key]] : [];
  });
}

function isEvent(what: unknown): what is AnvilEvent[0] {
  return what === "connect" || what === "disconnect" || what === "mail" || what === "recipient" ||
    what === "newTls" || what === "auth";
}
