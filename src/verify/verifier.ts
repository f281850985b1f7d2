import { printable } from "../base/printable.ts";
import type { AddressVerifier, PollLimits, Verification } from "../access/verifier.ts";
import type { Clock } from "../base/clock.ts";
import type { MaybeAsync } from "../base/maybe_async.ts";
import { CacheFault, type VerifyCache } from "./verify_cache.ts";
import type { Entry } from "./entry.ts";
import { endOf, isExpired, isRefreshDue, type Lifetimes, PROBE_TTL } from "./lifetimes.ts";

/** What a probe found out about an address; `text` as in the delivery line's parentheses. */
export interface ProbeResult {
  readonly status: "deliverable" | "deferred" | "undeliverable";
  readonly text: string;
}

/** What is told of a probe that is under way. */
export interface ProbeReport {
  /** A result for one address: the one that was asked about, and the one that it became. */
  result(address: string, result: ProbeResult): void;
  /** The probe is over; nothing more comes. `lost`: it was given up without a result. */
  ended(lost?: "lost"): void;
}

/** What the verifier is built from. */
export interface VerifierDeps {
  readonly cache: VerifyCache;
  readonly clock: Clock;
  readonly lifetimes: Lifetimes;
  /** address_verify_negative_cache. */
  readonly negativeCache: boolean;
  /** Most probes of this worker that are out at a time (address_verify_pending_request_limit). */
  readonly pendingLimit: number;
  /** Sends a probe. */
  readonly probe: (address: string, report: ProbeReport) => void;
  /** This process's number, and whether another one still lives. */
  readonly pid: number;
  readonly isAlive: (pid: number) => boolean;
  readonly hooks: VerifierHooks;
}

/** What log and metrics hear. */
export interface VerifierHooks {
  cacheFault(why: string): void;
  tooMany(pending: number): void;
  probed(status: ProbeResult["status"]): void;
}

/** Address verification of one worker. */
export interface Verifier extends AddressVerifier {
  /** Probes that are out. */
  readonly pending: number;
}

const IN_PROGRESS = "Address verification in progress";
const UNAVAILABLE = "Address verification status unavailable";
const TOO_MANY = "Too many address verification requests";
/** Longest explanation that is kept. */
const MOST_TEXT = 1000;
/** How often a session looks for the result of a probe that another worker sent, in milliseconds. */
const LOOK = 250;

/** Builds the verifier (verify(8)). */
export function createVerifier(deps: VerifierDeps): Verifier {
  return new ProbingVerifier(deps);
}

/** A colon would end the key in some tables (verify(8)). */
const keyOf = (address: string) => address.replaceAll(":", "_");

class ProbingVerifier implements Verifier {
  readonly #deps: VerifierDeps;
  /** Probes that are out, with the sessions that wait for their end. */
  readonly #out = new Map<string, (() => void)[]>();

  constructor(deps: VerifierDeps) {
    this.#deps = deps;
  }

  get pending(): number {
    return this.#out.size;
  }

  known(address: string): Verification | undefined {
    const key = keyOf(address);
    try {
      const entry = this.#usable(key, this.#now);
      return entry === undefined || entry.status === "todo" ? undefined : verificationOf(entry);
    } catch (error) {
      return this.#unavailable(error);
    }
  }

  verify(address: string, poll: PollLimits): MaybeAsync<Verification> {
    const found = this.#query(address);
    const milliseconds = (poll.count - 1) * poll.delay * 1000;
    return isSoon(found) && milliseconds > 0 ? this.#await(address, found, milliseconds) : found;
  }

  get #now(): number {
    return Math.floor(this.#deps.clock.now() / 1000);
  }

  /** What is known now; sends a probe when that is nothing, or old. */
  #query(address: string): Verification {
    const key = keyOf(address);
    try {
      const now = this.#now;
      const usable = this.#usable(key, now);
      const entry = usable ?? { status: "todo", probed: 0, updated: 0, text: IN_PROGRESS };
      const due = isRefreshDue(entry, this.#deps.lifetimes, now) && !this.#isProbed(key, entry, now);
      return due ? this.#refresh(address, entry, now) : verificationOf(entry);
    } catch (error) {
      return this.#unavailable(error);
    }
  }

  /** The entry unless its time is over; while a probe is out an old result still counts. */
  #usable(key: string, now: number): Entry | undefined {
    const { cache, lifetimes, negativeCache } = this.#deps;
    const entry = cache.get(key);
    if (entry === undefined) return undefined;
    if (this.#isProbed(key, entry, now) || !isExpired(entry, lifetimes, now)) return entry;
    if (!negativeCache) cache.delete(key);
    return undefined;
  }

  /** Somebody's probe is out for it. A process that is gone will not bring one home. */
  #isProbed(key: string, { probed, prober }: Entry, now: number): boolean {
    if (this.#out.has(key)) return true;
    if (now - probed > PROBE_TTL) return false;
    const { pid, isAlive } = this.#deps;
    return prober === undefined ? probed !== 0 : prober !== pid && isAlive(prober);
  }

  #refresh(address: string, entry: Entry, now: number): Verification {
    const { cache, lifetimes, negativeCache, pendingLimit, pid, probe, hooks } = this.#deps;
    if (this.#out.size >= pendingLimit) {
      hooks.tooMany(this.#out.size);
      return entry.status === "todo" ? { is: "unknown", why: TOO_MANY } : verificationOf(entry);
    }
    const key = keyOf(address);
    if (entry.updated !== 0 || negativeCache) {
      const marked = { ...entry, probed: now, prober: pid };
      cache.put(key, marked, endOf(marked, lifetimes));
    }
    this.#out.set(key, []);
    probe(address, {
      result: (of, result) => {
        if (of === address) hooks.probed(result.status);
        this.#take(keyOf(of), result);
      },
      ended: (lost) => this.#ended(key, lost !== undefined),
    });
    return verificationOf(entry);
  }

  /** A result comes in. A failure does not take back what was good before its time is over: the address is asked about again. */
  #take(key: string, { status, text }: ProbeResult): void {
    const { cache, negativeCache, lifetimes } = this.#deps;
    try {
      if (status !== "deliverable" && (!negativeCache || cache.get(key)?.status === "deliverable")) return;
      const entry = { status, probed: 0, updated: this.#now, text: printable(text.slice(0, MOST_TEXT)) };
      cache.put(key, entry, endOf(entry, lifetimes));
    } catch (error) {
      this.#unavailable(error);
    }
  }

  #ended(key: string, lost: boolean): void {
    const waiting = this.#out.get(key) ?? [];
    this.#out.delete(key);
    this.#unmark(key, lost);
    for (const wake of waiting) wake();
  }

  /**
   * Takes the mark of our probe off an entry that its result did not replace. After a lost probe the next question sends a
   * new one at once; after a result that was not to be kept, when PROBE_TTL is over.
   */
  #unmark(key: string, lost: boolean): void {
    const { cache, lifetimes, pid } = this.#deps;
    try {
      const entry = cache.get(key);
      if (entry === undefined || entry.prober !== pid) return;
      if (entry.updated === 0) return cache.delete(key);
      const unmarked = { ...entry, probed: lost ? 0 : entry.probed, prober: undefined };
      cache.put(key, unmarked, endOf(unmarked, lifetimes));
    } catch (error) {
      this.#unavailable(error);
    }
  }

  /** Waits for the end of the probe, here or in another worker, as long as the session may. */
  async #await(address: string, first: Verification, milliseconds: number): Promise<Verification> {
    const { clock } = this.#deps;
    const key = keyOf(address);
    let found = first;
    for (const end = clock.now() + milliseconds; clock.now() < end;) {
      const mine = this.#out.has(key);
      await this.#pause(key, mine ? end - clock.now() : Math.min(LOOK, end - clock.now()));
      found = this.#seen(key);
      if (!isSoon(found) || (mine && !this.#out.has(key))) return found;
    }
    return found;
  }

  /** Until the probe of this worker is over, at most that long. */
  #pause(key: string, milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#deps.clock.after(milliseconds, resolve);
      this.#out.get(key)?.push(() => (cancel(), resolve()));
    });
  }

  #seen(key: string): Verification {
    try {
      const entry = this.#usable(key, this.#now);
      return entry === undefined ? { is: "unknown", why: IN_PROGRESS, soon: true } : verificationOf(entry);
    } catch (error) {
      return this.#unavailable(error);
    }
  }

  #unavailable(error: unknown): Verification {
    if (!(error instanceof CacheFault)) throw error;
    this.#deps.hooks.cacheFault(error.message);
    return { is: "unknown", why: UNAVAILABLE };
  }
}

function isSoon(found: Verification): boolean {
  return found.is === "unknown" && found.soon === true;
}

function verificationOf({ status, text }: Entry): Verification {
  if (status === "deliverable") return { is: "deliverable" };
  if (status === "undeliverable") return { is: "undeliverable", why: text };
  return { is: "unknown", why: text, ...(status === "todo" && { soon: true }) };
}
