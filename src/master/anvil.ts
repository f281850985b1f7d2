import type { Clock } from "../base/clock.ts";
import type { Anvil } from "../smtpd/deps.ts";

/** What a client did within the current time unit, and how many connections it has open. */
interface Client {
  open: number;
  since: number;
  connects: number;
  mails: number;
  recipients: number;
}

/** Clients beyond this many: those without a connection whose time unit is over are forgotten first. */
const MOST_CLIENTS = 10_000;

/** Counts of what clients do, per service and address (anvil(8)); rates are per anvil_rate_time_unit. */
export class LocalAnvil implements Anvil {
  readonly #clients = new Map<string, Client>();
  readonly #unit: number;
  readonly #clock: Pick<Clock, "now">;

  constructor(unitSeconds: number, clock: Pick<Clock, "now">) {
    this.#unit = unitSeconds * 1000;
    this.#clock = clock;
  }

  connect(service: string, address: string): { readonly count: number; readonly rate: number } {
    const client = this.#current(service, address);
    return { count: ++client.open, rate: ++client.connects };
  }

  disconnect(service: string, address: string): void {
    const client = this.#clients.get(`${service}:${address}`);
    if (client !== undefined && client.open > 0) client.open--;
  }

  mail(service: string, address: string): number {
    return ++this.#current(service, address).mails;
  }

  recipient(service: string, address: string): number {
    return ++this.#current(service, address).recipients;
  }

  /** The client's counts, begun anew when its time unit is over. */
  #current(service: string, address: string): Client {
    const key = `${service}:${address}`;
    const now = this.#clock.now();
    let client = this.#clients.get(key);
    if (client === undefined) {
      if (this.#clients.size >= MOST_CLIENTS) this.#forgetIdle(now);
      client = { open: 0, since: now, connects: 0, mails: 0, recipients: 0 };
      this.#clients.set(key, client);
    } else if (now - client.since >= this.#unit) {
      Object.assign(client, { since: now, connects: 0, mails: 0, recipients: 0 });
    }
    return client;
  }

  #forgetIdle(now: number): void {
    for (const [key, { open, since }] of this.#clients) {
      if (open === 0 && now - since >= this.#unit) this.#clients.delete(key);
    }
    // Still full: the oldest entries go, whoever they are; their open connections count no more.
    for (const key of this.#clients.keys()) {
      if (this.#clients.size < MOST_CLIENTS) break;
      this.#clients.delete(key);
    }
  }
}
