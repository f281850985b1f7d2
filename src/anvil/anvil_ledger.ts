import type { Log } from "../observe/log.ts";
import { timeStamp } from "../observe/log_line.ts";
import type { RatedEvent } from "../smtpd/deps.ts";

/**
 * What a worker tells of a client: a connection opened or closed, or something that has a rate; or that it asks how many handshakes
 * there were. The key is `service:range`.
 */
export type AnvilEvent = readonly [what: "connect" | "disconnect" | "newTlsRate" | RatedEvent, key: string];

/** What a client did within the current time unit, and how many connections it has open; all workers together. */
interface Client {
  open: number;
  /** When the time unit began, in whole seconds. */
  since: number;
  connect: number;
  mail: number;
  recipient: number;
  newTls: number;
  auth: number;
}

/** Events that travel in one message. */
export const MOST_EVENTS = 2000;

/** Clients with a connection to one worker; no worker has the descriptors for more, and what says that it has is not counted. */
const MOST_CONNECTED = 262_144;

/** Clients without a connection that are remembered; past that those that left first are forgotten early, so many at a time. */
const MOST_IDLE = 65_536;
const FORGOTTEN_AT_ONCE = 1024;

/** Highest values since the last status line, in the order and words of anvil(8)'s log. */
const PEAKS = {
  connect: "connection rate",
  open: "connection count",
  mail: "message rate",
  recipient: "recipient rate",
  newTls: "newtls rate",
  auth: "auth rate",
} as const satisfies Partial<Record<keyof Client, string>>;

type PeakName = keyof typeof PEAKS;
const PEAK_NAMES = ["connect", "open", "mail", "recipient", "newTls", "auth"] as const;

interface Peak {
  readonly value: number;
  readonly key: string;
  readonly at: number;
}

/**
 * The one account of what clients do, per service and range of addresses (anvil(8)); rates are per anvil_rate_time_unit. Master
 * keeps it for all its workers, old and new ones of a reload alike; a worker that is alone keeps its own.
 */
export class AnvilLedger {
  /** With a connection; there are never more than there are connections. */
  readonly #connected = new Map<string, Client>();
  /** Without one, in the order in which they left. */
  readonly #idle = new Map<string, Client & { readonly left: number }>();
  /** Open connections by worker and key, to be given back when the worker dies. */
  readonly #held = new Map<number, Map<string, number>>();
  readonly #peaks = new Map<PeakName, Peak>();
  readonly #now: () => number;
  #unit: number;
  /** The second in which idle clients were last looked through. */
  #swept = 0;
  #mostClients = { value: 0, at: 0 };

  constructor(unitSeconds: number, now: () => number) {
    this.#unit = unitSeconds;
    this.#now = now;
  }

  /** anvil_rate_time_unit of the configuration in force. */
  set unit(seconds: number) {
    this.#unit = seconds;
  }

  /** Takes a worker's events in order; answers each with the counts that it led to: connections and their rate, or a rate. */
  take(worker: number, events: readonly AnvilEvent[]): (readonly [number, number])[] {
    return events.map(([what, key]) => {
      if (what === "connect") return this.connect(worker, key);
      if (what === "newTlsRate") return [this.newTlsRate(key), 0];
      if (what === "disconnect") this.disconnect(worker, key);
      return what === "disconnect" ? [0, 0] : [this.count(what, key), 0];
    });
  }

  connect(worker: number, key: string): readonly [open: number, rate: number] {
    const held = this.#heldBy(worker);
    if (held.size >= MOST_CONNECTED && !held.has(key)) return [0, 0];
    const client = this.#current(key);
    if (client.open++ === 0) {
      this.#idle.delete(key);
      this.#connected.set(key, client);
    }
    client.connect++;
    held.set(key, (held.get(key) ?? 0) + 1);
    this.#notePopulation();
    this.#peak("connect", client.connect, key);
    this.#peak("open", client.open, key);
    return [client.open, client.connect];
  }

  disconnect(worker: number, key: string): void {
    const held = this.#held.get(worker);
    const count = held?.get(key) ?? 0;
    if (held === undefined || count === 0) return;
    if (count === 1) held.delete(key);
    else held.set(key, count - 1);
    this.#close(key, 1);
  }

  /** Counts something that has a rate; answers the rate. */
  count(what: RatedEvent, key: string): number {
    const client = this.#current(key);
    const value = ++client[what];
    if (client.open === 0) this.#remember(key, client);
    this.#peak(what, value, key);
    return value;
  }

  /** How many new TLS sessions there were in this time unit. */
  newTlsRate(key: string): number {
    return this.#current(key).newTls;
  }

  /** A worker is gone, and its connections with it; what its clients did still counts. */
  forget(worker: number): void {
    for (const [key, count] of this.#held.get(worker) ?? []) this.#close(key, count);
    this.#held.delete(worker);
  }

  /** The lines of anvil_status_update_time, then a new beginning. */
  logStatus(log: Log): void {
    for (const what of PEAK_NAMES) {
      const peak = this.#peaks.get(what);
      if (peak === undefined) continue;
      const per = what === "open" ? "" : `/${this.#unit}s`;
      const text = `max ${PEAKS[what]} ${peak.value}${per} for (${peak.key}) at ${timeStamp(peak.at)}`;
      log.note("anvil", "info", `statistics: ${text}`);
    }
    const { value, at } = this.#mostClients;
    if (value > 0) log.note("anvil", "info", `statistics: max cache size ${value} at ${timeStamp(at)}`);
    this.#peaks.clear();
    this.#mostClients = { value: 0, at: 0 };
  }

  #heldBy(worker: number): Map<string, number> {
    const known = this.#held.get(worker);
    if (known !== undefined) return known;
    const made = new Map<string, number>();
    this.#held.set(worker, made);
    return made;
  }

  #close(key: string, count: number): void {
    const client = this.#connected.get(key);
    if (client === undefined) return;
    client.open -= count;
    if (client.open > 0) return;
    client.open = 0;
    this.#connected.delete(key);
    this.#remember(key, client);
  }

  /** Puts a client behind all others that have left; makes room for it. */
  #remember(key: string, client: Client): void {
    const now = this.#seconds();
    this.#idle.delete(key);
    this.#idle.set(key, { ...client, left: now });
    const full = this.#idle.size > MOST_IDLE;
    if (full || now !== this.#swept) this.#sweep(now, full ? MOST_IDLE - FORGOTTEN_AT_ONCE : MOST_IDLE);
  }

  /** Not at every step: the runtime walks over all that were deleted at the front of a Map to find its first key. */
  #sweep(now: number, most: number): void {
    this.#swept = now;
    for (const [oldest, { left }] of this.#idle) {
      if (this.#idle.size <= most && left + this.#unit >= now) break;
      this.#idle.delete(oldest);
    }
  }

  #notePopulation(): void {
    const value = this.#connected.size + this.#idle.size;
    if (value > this.#mostClients.value) this.#mostClients = { value, at: this.#now() };
  }

  #peak(what: PeakName, value: number, key: string): void {
    if (value > (this.#peaks.get(what)?.value ?? 0)) this.#peaks.set(what, { value, key, at: this.#now() });
  }

  #seconds(): number {
    return Math.floor(this.#now() / 1000);
  }

  /** The client's counts; rates begin anew when the time unit is over, as in anvil(8) in whole seconds. */
  #current(key: string): Client {
    const now = this.#seconds();
    const idle = this.#idle.get(key);
    const known = this.#connected.get(key) ??
      (idle !== undefined && idle.left + this.#unit < now ? undefined : idle);
    if (known === undefined) {
      return { open: 0, since: now, connect: 0, mail: 0, recipient: 0, newTls: 0, auth: 0 };
    }
    if (known.since + this.#unit < now) {
      Object.assign(known, { since: now, connect: 0, mail: 0, recipient: 0, newTls: 0, auth: 0 });
    }
    return known;
  }
}
