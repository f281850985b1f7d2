import type { Clock } from "../base/clock.ts";
import { Heap } from "../base/heap.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";
import type { WaitingFor } from "./active_look.ts";
import type { ActiveMessage } from "./active_message.ts";
import {
  type Destination,
  destinationBefore,
  type Job,
  newDestination,
  type Share,
  turnOf,
} from "./queued_destination.ts";
import { narrow, newWindow, widen } from "./feedback.ts";
import type { TransportLimits } from "./transport_limits.ts";

/** A piece of work that its turn has come for. */
export interface Delivery {
  readonly transport: Transport;
  readonly destination: Destination;
  readonly message: ActiveMessage;
  readonly job: Job;
  /** Indexes in the envelope. */
  readonly recipients: readonly number[];
  /** More is waiting for this destination. */
  readonly more: boolean;
}

/** What a transport needs of its surroundings. */
export interface TransportWorld {
  readonly clock: Clock;
  /** Milliseconds that a dead destination is left alone (minimal_backoff_time). */
  readonly deadTime: number;
  /** Whether there is room for one more delivery; who hears no is called again when there is. */
  mayStart(transport: Transport): boolean;
  /** Hands a delivery to the agent. The transport hears of its end by `finished`. */
  start(delivery: Delivery): void;
  /** The recipients of a dead destination that were waiting. */
  suspend(message: ActiveMessage, recipients: readonly number[], detail: RecipientDetail): void;
}

/**
 * The queue of one transport. Whose turn it is comes from virtual time: each delivery gets a turn one after the last of its
 * message and one after the last of its destination, and the smallest turn goes first. So destinations take turns, and a
 * message with many recipients lets others pass (SCHEDULER_README's aims by start-time fair queueing).
 */
export class Transport {
  readonly name: string;
  readonly limits: TransportLimits;
  readonly #world: TransportWorld;
  readonly #processLimit: number;
  readonly #destinations = new Map<string, Destination>();
  readonly #ready = new Heap<Destination>(destinationBefore);
  /** Destinations within their rate delay. */
  readonly #pausedOnes = new Heap<Destination>((a, b) => a.pausedUntil < b.pausedUntil);
  #running = 0;
  #turn = 0;
  #order = 0;
  #pausedUntil = 0;
  #wakeAt = Infinity;
  #cancelWake: (() => void) | undefined;

  /** `processLimit` 0 = no limit on concurrent deliveries (master.cf, field 7). */
  constructor(name: string, limits: TransportLimits, processLimit: number, world: TransportWorld) {
    this.name = name;
    this.limits = limits;
    this.#processLimit = processLimit > 0 ? processLimit : Infinity;
    this.#world = world;
  }

  /** Deliveries under way. */
  get running(): number {
    return this.#running;
  }

  /** Destinations that are known at the moment; dead ones are kept until their time is over. */
  get destinations(): number {
    return this.#destinations.size;
  }

  /** A message's share of this transport, for `add`. */
  share(message: ActiveMessage): Share {
    return { message, turn: this.#turn };
  }

  /** Why a destination is not tried now, or undefined. */
  deadDetail(key: string): RecipientDetail | undefined {
    const destination = this.#destinations.get(key);
    return destination === undefined ? undefined : this.#stillDead(destination)?.detail;
  }

  /** Queues recipients of a message for a destination. `dispatch` starts what can start. */
  add(share: Share, key: string, nexthop: string, recipients: readonly number[]): void {
    let destination = this.#destinations.get(key);
    if (destination === undefined) {
      destination = newDestination(key, nexthop, this.limits, this.#turn);
      this.#destinations.set(key, destination);
    }
    share.turn = Math.max(share.turn, this.#turn) + 1;
    const job: Job = {
      share,
      destination,
      recipients,
      next: 0,
      turn: share.turn,
      order: this.#order++,
      withAgent: 0,
      heapAt: -1,
    };
    destination.jobs.push(job);
    (share.message.jobs ??= []).push({
      withdraw: () => this.#withdraw(job),
      look: () => this.#look(job),
    });
    this.#place(destination);
  }

  /** Takes out what of a job has not been handed to an agent; answers how many recipients that are. */
  #withdraw(job: Job): number {
    if (job.heapAt < 0) return 0;
    job.destination.jobs.remove(job);
    this.#place(job.destination);
    return job.recipients.length - job.next;
  }

  #look({ destination, recipients, next, heapAt, withAgent }: Job): WaitingFor | undefined {
    const waiting = heapAt < 0 ? 0 : recipients.length - next;
    if (waiting === 0 && withAgent === 0) return undefined;
    const { nexthop, running, window, pausedUntil } = destination;
    const until = Math.max(pausedUntil, this.#pausedUntil);
    return {
      transport: this.name,
      nexthop,
      withAgent,
      waiting,
      running,
      limit: Math.min(window.size, this.#processLimit, Number.MAX_SAFE_INTEGER),
      ...(until > this.#world.clock.now() && { pausedUntil: until }),
    };
  }

  /** Starts as many deliveries as limits allow. */
  dispatch(): void {
    while (this.#running < this.#processLimit && !this.#paused()) {
      const destination = this.#ready.peek();
      if (destination === undefined || !this.#world.mayStart(this)) return;
      this.#start(destination);
    }
  }

  /** A delivery is over. `deadSite` when the destination could not be reached. */
  finished(
    { destination, job, recipients }: Pick<Delivery, "destination" | "job" | "recipients">,
    deadSite: RecipientDetail | undefined,
  ): void {
    job.withAgent -= recipients.length;
    this.#running--;
    destination.running--;
    const now = this.#world.clock.now();
    if (this.limits.destinationRateDelay > 0) {
      destination.pausedUntil = now + this.limits.destinationRateDelay;
    }
    if (this.limits.transportRateDelay > 0) this.#pausedUntil = now + this.limits.transportRateDelay;
    if (deadSite === undefined) widen(destination.window, this.limits, destination.running + 1);
    else if (destination.dead === undefined && narrow(destination.window, this.limits)) {
      destination.dead = { detail: deadSite, until: now + this.#world.deadTime };
    }
    if (destination.dead !== undefined) this.#suspendWaiting(destination);
    this.#place(destination);
    this.dispatch();
  }

  /** Takes everything out that has not been handed to an agent; for the end of the service. */
  drain(): { readonly message: ActiveMessage; readonly recipients: readonly number[] }[] {
    this.#cancelWake?.();
    const out: { message: ActiveMessage; recipients: readonly number[] }[] = [];
    for (const destination of this.#destinations.values()) {
      this.#move(destination, undefined);
      for (let job = destination.jobs.pop(); job !== undefined; job = destination.jobs.pop()) {
        out.push({ message: job.share.message, recipients: job.recipients.slice(job.next) });
      }
    }
    return out;
  }

  /** Forgets dead destinations whose time is over (or all of them, for a flush), so that the map does not grow. */
  sweep(forgetDead: boolean): void {
    for (const destination of this.#destinations.values()) {
      if (forgetDead && destination.dead !== undefined) this.#revive(destination);
      this.#stillDead(destination);
      this.#place(destination);
    }
  }

  #start(destination: Destination): void {
    const job = destination.jobs.peek()!;
    this.#turn = turnOf(destination);
    destination.turn = this.#turn + 1;
    const { recipients: limit } = this.limits;
    const end = limit > 0 ? Math.min(job.recipients.length, job.next + limit) : job.recipients.length;
    const recipients = job.next === 0 && end === job.recipients.length
      ? job.recipients
      : job.recipients.slice(job.next, end);
    job.next = end;
    job.withAgent += recipients.length;
    if (end === job.recipients.length) destination.jobs.pop();
    else {
      job.turn = ++job.share.turn;
      destination.jobs.update(job);
    }
    destination.running++;
    this.#running++;
    this.#place(destination);
    const more = destination.jobs.size > 0;
    this.#world.start({ transport: this, destination, message: job.share.message, job, recipients, more });
  }

  /** Puts a destination where it belongs: among the ready, the paused, the waiting, or out. */
  #place(destination: Destination): void {
    const waiting = destination.jobs.size > 0;
    const free = waiting && destination.dead === undefined && destination.running < destination.window.size;
    const paused = this.limits.destinationRateDelay > 0 &&
      destination.pausedUntil > this.#world.clock.now();
    if (free && !paused) return this.#move(destination, this.#ready);
    if (paused) {
      this.#move(destination, this.#pausedOnes);
      return this.#wakeBy(destination.pausedUntil);
    }
    this.#move(destination, undefined);
    const idle = !waiting && destination.running === 0 && destination.dead === undefined;
    if (idle) this.#destinations.delete(destination.key);
  }

  #move(destination: Destination, to: Heap<Destination> | undefined): void {
    if (destination.home === to) return to?.update(destination);
    destination.home?.remove(destination);
    destination.home = to;
    to?.push(destination);
  }

  #stillDead(destination: Destination): Destination["dead"] {
    if (destination.dead !== undefined && destination.dead.until <= this.#world.clock.now()) {
      this.#revive(destination);
    }
    return destination.dead;
  }

  #revive(destination: Destination): void {
    destination.dead = undefined;
    destination.window = newWindow(this.limits);
  }

  #suspendWaiting(destination: Destination): void {
    const { detail } = destination.dead!;
    for (let job = destination.jobs.pop(); job !== undefined; job = destination.jobs.pop()) {
      this.#world.suspend(job.share.message, job.recipients.slice(job.next), detail);
    }
  }

  #paused(): boolean {
    if (this.limits.transportRateDelay === 0) return false;
    // One at a time: the pause begins when a delivery ends.
    if (this.#running > 0) return true;
    if (this.#pausedUntil <= this.#world.clock.now()) return false;
    this.#wakeBy(this.#pausedUntil);
    return true;
  }

  /** Looks again at that time. One timer serves the whole transport. */
  #wakeBy(time: number): void {
    if (time >= this.#wakeAt) return;
    this.#cancelWake?.();
    this.#wakeAt = time;
    this.#cancelWake = this.#world.clock.after(time - this.#world.clock.now(), () => this.#wake());
  }

  #wake(): void {
    this.#wakeAt = Infinity;
    this.#cancelWake = undefined;
    const now = this.#world.clock.now();
    for (let first = this.#pausedOnes.peek(); first !== undefined; first = this.#pausedOnes.peek()) {
      if (first.pausedUntil > now) {
        this.#wakeBy(first.pausedUntil);
        break;
      }
      this.#place(first);
    }
    this.dispatch();
  }
}
