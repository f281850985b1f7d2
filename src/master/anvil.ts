import type { Clock } from "../base/clock.ts";
import type { Log } from "../observe/log.ts";
import { timeStamp } from "../observe/log_line.ts";
import type { Anvil } from "../smtpd/deps.ts";

/** What changed about a client since the last telling: key, connections open, and what was begun. */
export type AnvilDelta = readonly [
  key: string,
  open: number,
  connects: number,
  mails: number,
  recipients: number,
];

/** What a client did within the current time unit, and how many connections it has open; all workers together. */
interface Client {
  open: number;
  since: number;
  connects: number;
  mails: number;
  recipients: number;
  /** Open connections that other workers hold. */
  elsewhere?: Map<number, number>;
}

/** Clients beyond this many: those without a connection whose time unit is over are forgotten first. */
const MOST_CLIENTS = 10_000;

/** Highest values since the last status line, in the order and words of anvil(8)'s log. */
const PEAKS = ["connection rate", "connection count", "message rate", "recipient rate"] as const;

interface Peak {
  readonly value: number;
  readonly key: string;
  readonly at: number;
}

/**
 * Counts of what clients do, per service and address (anvil(8)); rates are per anvil_rate_time_unit. Each worker counts its own
 * at once; what others count comes in by `hear` a moment later.
 */
export class WorkerAnvil implements Anvil {
  readonly #clients = new Map<string, Client>();
  readonly #changed = new Map<string, [open: number, connects: number, mails: number, recipients: number]>();
  readonly #peaks = new Map<(typeof PEAKS)[number], Peak>();
  readonly #unit: number;
  readonly #clock: Pick<Clock, "now">;
  #mostClients = { value: 0, at: 0 };

  constructor(unitSeconds: number, clock: Pick<Clock, "now">) {
    this.#unit = unitSeconds * 1000;
    this.#clock = clock;
  }

  connect(service: string, address: string): { readonly count: number; readonly rate: number } {
    const key = `${service}:${address}`;
    const client = this.#add(key, 1, 1, 0, 0);
    this.#peak("connection rate", client.connects, key);
    this.#peak("connection count", client.open, key);
    return { count: client.open, rate: client.connects };
  }

  disconnect(service: string, address: string): void {
    const key = `${service}:${address}`;
    if ((this.#clients.get(key)?.open ?? 0) > 0) this.#add(key, -1, 0, 0, 0);
  }

  mail(service: string, address: string): number {
    const key = `${service}:${address}`;
    const { mails } = this.#add(key, 0, 0, 1, 0);
    this.#peak("message rate", mails, key);
    return mails;
  }

  recipient(service: string, address: string): number {
    const key = `${service}:${address}`;
    const { recipients } = this.#add(key, 0, 0, 0, 1);
    this.#peak("recipient rate", recipients, key);
    return recipients;
  }

  /** What is to be told to the other workers; empty when nothing happened. */
  takeChanges(): AnvilDelta[] {
    const deltas = [...this.#changed].map(([key, counts]): AnvilDelta => [key, ...counts]);
    this.#changed.clear();
    return deltas;
  }

  /** Another worker's changes. */
  hear(from: number, deltas: readonly AnvilDelta[]): void {
    for (const [key, open, connects, mails, recipients] of deltas) {
      const client = this.#current(key);
      client.open += open;
      client.connects += connects;
      client.mails += mails;
      client.recipients += recipients;
      if (open !== 0) {
        client.elsewhere ??= new Map();
        client.elsewhere.set(from, (client.elsewhere.get(from) ?? 0) + open);
      }
    }
  }

  /** Another worker is gone, and its connections with it. */
  forget(from: number): void {
    for (const client of this.#clients.values()) {
      client.open -= client.elsewhere?.get(from) ?? 0;
      client.elsewhere?.delete(from);
    }
  }

  /** The lines of anvil_status_update_time, then a new beginning. */
  logStatus(log: Log): void {
    for (const what of PEAKS) {
      const peak = this.#peaks.get(what);
      if (peak === undefined) continue;
      const per = what === "connection count" ? "" : `/${this.#unit / 1000}s`;
      log.note(
        "anvil",
        "info",
        `statistics: max ${what} ${peak.value}${per} for (${peak.key}) at ${timeStamp(peak.at)}`,
      );
    }
    const { value, at } = this.#mostClients;
    if (value > 0) log.note("anvil", "info", `statistics: max cache size ${value} at ${timeStamp(at)}`);
    this.#peaks.clear();
    this.#mostClients = { value: 0, at: 0 };
  }

  #add(key: string, open: number, connects: number, mails: number, recipients: number): Client {
    const client = this.#current(key);
    client.open += open;
    client.connects += connects;
    client.mails += mails;
    client.recipients += recipients;
    const changed = this.#changed.get(key);
    if (changed === undefined) {
      this.#changed.set(key, [open, connects, mails, recipients]);
      return client;
    }
    changed[0] += open;
    changed[1] += connects;
    changed[2] += mails;
    changed[3] += recipients;
    return client;
  }

  #peak(what: (typeof PEAKS)[number], value: number, key: string): void {
    if (value > (this.#peaks.get(what)?.value ?? 0)) {
      this.#peaks.set(what, { value, key, at: this.#clock.now() });
    }
  }

  /** The client's counts, begun anew when its time unit is over. */
  #current(key: string): Client {
    const now = this.#clock.now();
    let client = this.#clients.get(key);
    if (client === undefined) {
      if (this.#clients.size >= MOST_CLIENTS) this.#forgetIdle(now);
      client = { open: 0, since: now, connects: 0, mails: 0, recipients: 0 };
      this.#clients.set(key, client);
      if (this.#clients.size > this.#mostClients.value) {
        this.#mostClients = { value: this.#clients.size, at: now };
      }
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
