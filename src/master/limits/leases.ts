import { ServiceFault } from "../control/service_fault.ts";

/** Leases that one worker may hold and wait for: more than it has deliveries. */
export const MOST_CLAIMS = 5000;

/** A wait for a lease, or a lease that is held. */
interface Claim {
  readonly key: string;
  readonly worker: number;
  readonly grant: () => void;
}

/**
 * Leases of what is too scarce to be split between workers: a transport with one process, a destination with one delivery at a
 * time. First come, first served; what a worker held is free again when it dies.
 */
export class Leases {
  readonly #held = new Map<string, Claim[]>();
  readonly #waiting = new Map<string, Claim[]>();
  /** Claims by worker. */
  readonly #counts = new Map<number, number>();

  /** Resolves when the worker may go on: fewer than `limit` hold the key. Rejects when the worker has too many. */
  take(key: string, limit: number, worker: number): Promise<void> {
    const count = this.#counts.get(worker) ?? 0;
    if (count >= MOST_CLAIMS) return Promise.reject(new ServiceFault("busy", "too many leases at a time"));
    this.#counts.set(worker, count + 1);
    return new Promise((grant) => {
      const claim = { key, worker, grant };
      const held = this.#listed(this.#held, key);
      if (held.length >= limit) return void this.#listed(this.#waiting, key).push(claim);
      held.push(claim);
      grant();
    });
  }

  /** One of the worker's leases of the key is over; whoever waits longest has it now. */
  release(key: string, worker: number): void {
    const held = this.#held.get(key) ?? [];
    const at = held.findIndex((claim) => claim.worker === worker);
    if (at < 0) return;
    held.splice(at, 1);
    this.#counts.set(worker, (this.#counts.get(worker) ?? 1) - 1);
    this.#next(key);
  }

  /** The worker is gone, with what it held and what it waited for. */
  forget(worker: number): void {
    for (const [key, waiting] of this.#waiting) {
      this.#waiting.set(
        key,
        waiting.filter((claim) => claim.worker !== worker),
      );
    }
    for (const [key, held] of this.#held) {
      const mine = held.filter((claim) => claim.worker === worker).length;
      for (let i = 0; i < mine; i++) this.release(key, worker);
    }
    this.#counts.delete(worker);
  }

  #next(key: string): void {
    const claim = this.#waiting.get(key)?.shift();
    const held = this.#listed(this.#held, key);
    if (claim === undefined) {
      if (held.length === 0) this.#held.delete(key);
      this.#waiting.delete(key);
      return;
    }
    held.push(claim);
    claim.grant();
  }

  #listed(map: Map<string, Claim[]>, key: string): Claim[] {
    const known = map.get(key);
    if (known !== undefined) return known;
    const made: Claim[] = [];
    map.set(key, made);
    return made;
  }
}
