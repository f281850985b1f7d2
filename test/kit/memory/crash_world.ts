// A queue directory that loses power again and again, and what its messages must look like afterwards.
import { internalAddress } from "../../../src/address/address.ts";
import { expect } from "bun:test";
import type { Envelope, QueueId } from "../../../src/queue/envelope.ts";
import { beginFileStore, openFileStore } from "../../../src/queue/file_store/open_file_store.ts";
import type { FileStoreOptions, QueueEvent } from "../../../src/queue/log/file_store_options.ts";
import type { QueueStore, RecipientChange, RecipientState } from "../../../src/queue/store.ts";
import { FakeDisk } from "./fake_disk.ts";
import { moves } from "./moves.ts";

/** Small enough that every path runs within a few dozen operations. */
const LIMITS: FileStoreOptions["limits"] = {
  spoolThreshold: 700,
  segmentSize: 4096,
  preallocate: 1024,
  block: 512,
  cacheBytes: 4000,
  outcomeDelay: 50,
  compactionStep: 1500,
  slack: 2,
  slackBytes: 3000,
  idleTime: 500,
  faultPause: 100,
  moveStep: 3,
};

const MOVES = ["hold", "unhold", "expire", "requeue", "delete"] as const;

export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let word = Math.imul(state ^ (state >>> 15), state | 1);
    word ^= word + Math.imul(word ^ (word >>> 7), word | 61);
    return ((word ^ (word >>> 14)) >>> 0) / 4294967296;
  };
}

/** What the outside can see of a message. */
export interface View {
  readonly hold: boolean;
  /** Has been deferred; not visible while held. */
  readonly deferred: boolean;
  readonly states: readonly RecipientState[];
  readonly expire: boolean;
  /** An operator holds it. */
  readonly byOperator: boolean;
  readonly requeue: boolean;
}

/** What the test knows of a message. */
export interface Known {
  readonly id: QueueId;
  readonly text: string;
  fate: "pending" | "stored" | "rejected";
  /** All views it has had since the last one that is sure; undefined = finished. */
  views: (View | undefined)[];
}

/** A world of one queue directory that loses power again and again. */
export class World {
  disk: FakeDisk;
  store!: QueueStore;
  now = 1_700_000_000_000;
  readonly known = new Map<QueueId, Known>();
  readonly random: () => number;
  /** Operators do things to all messages. Not where the disk fails: then nobody can tell from outside how far they came. */
  bulk = true;
  /** Messages are found by the sites of their recipients. */
  bySite = false;
  /** New mail comes and goes before the queue is loaded. */
  early = false;
  readonly events: QueueEvent[] = [];
  #timers: { at: number; call: () => void }[] = [];
  #crashed: Promise<void>;
  #whenCrashed = () => {};
  #active: QueueId[] = [];
  /** Messages whose place another one is about to take. */
  readonly #replacing = new Map<QueueId, QueueId>();
  /** Messages whose place another one did not take: it was refused. */
  readonly #kept = new Map<QueueId, QueueId>();

  constructor(seed: number) {
    this.random = generator(seed);
    this.disk = new FakeDisk(this.random);
    this.#crashed = Promise.resolve();
  }

  below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  /** Opens a store; whatever happens to the disk ends the waiting. */
  async start(shard: number): Promise<void> {
    this.#timers = [];
    this.#active = [];
    this.#crashed = new Promise((resolve) =>
      this.disk.onCrash = () => {
        resolve();
        this.#whenCrashed();
      }
    );
    const { disk } = this;
    const early = this.early && this.random() < 0.6;
    if (early) disk.readTurns = this.below(12);
    this.store = await (early ? beginFileStore : openFileStore)({
      directory: "/q",
      shard,
      disk,
      settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: this.random() < 0.5 },
      limits: LIMITS,
      bySite: this.bySite,
      now: () => this.now,
      random: () => Math.floor(this.random() * 4294967296),
      report: (event) => void this.events.push(event),
      after: (milliseconds, call) => {
        const timer = { at: this.now + milliseconds, call: () => disk.dead || call() };
        this.#timers.push(timer);
        return () => void (this.#timers = this.#timers.filter((other) => other !== timer));
      },
    });
    if (early) await this.#meanwhile();
    await this.store.adoptOrphans();
  }

  /** While the queue is being loaded only new mail is touched: of the rest nobody knows yet what has become of it. */
  async #meanwhile(): Promise<void> {
    const { disk, store } = this;
    const fresh = new Set<QueueId>();
    for (let steps = this.below(25); steps > 0 && !disk.dead; steps--) {
      const dice = this.below(10);
      if (dice < 4) {
        const id = this.put();
        if (id !== undefined) fresh.add(id);
      } else if (dice < 6) await this.#settleFresh(fresh);
      else if (dice < 7) this.tick(this.below(100));
      else await this.turns(this.below(4));
    }
    const isOnItsWay = (id: QueueId) => this.known.get(id)!.fate === "pending";
    for (let turns = 0; turns < 500 && !disk.dead && [...fresh].some(isOnItsWay); turns++) {
      await this.turns(1);
    }
    if (!disk.dead) expect([...fresh].filter(isOnItsWay)).toEqual([]);
    // What is found afterwards is taken for sure.
    if (!disk.dead) await this.orCrash(store.flush());
    if (!disk.dead) await this.orCrash(store.loaded);
    disk.readTurns = 0;
  }

  async #settleFresh(fresh: ReadonlySet<QueueId>): Promise<void> {
    const { store } = this;
    for (const id of await store.takeDue(this.now, 5)) {
      const action = fresh.has(id) ? this.below(3) : 0;
      if (action === 0) store.release(id);
      else if (action === 1) {
        store.defer(id, this.now + this.below(1000), []);
        this.#see(id, { deferred: true });
      } else {
        store.remove(id);
        this.#see(id, undefined);
      }
    }
  }

  /** Starts, and again after each end that comes in the middle of it. */
  async startThrough(ends: readonly End[]): Promise<void> {
    for (const end of ends) {
      const { disk } = this;
      const from = disk.calls;
      disk.onCall = ({ number }) => number - from >= end.after ? "crash" : undefined;
      const crashed = new Promise<void>((resolve) => this.#whenCrashed = resolve);
      const started = this.start(this.below(2)).catch((error) => {
        if (!disk.dead) throw error;
      });
      await Promise.race([started, crashed]);
      if (!disk.dead) return void (disk.onCall = () => undefined);
      await this.turns(2);
      this.end(end.by);
    }
    await this.start(this.below(2));
  }

  tick(milliseconds: number): void {
    this.now += milliseconds;
    const due = this.#timers.filter(({ at }) => at <= this.now);
    this.#timers = this.#timers.filter(({ at }) => at > this.now);
    for (const { call } of due) call();
  }

  async turns(count: number): Promise<void> {
    for (; count > 0; count--) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Waits for a promise, but not longer than the power is on. */
  async orCrash<T>(promise: Promise<T>): Promise<T | undefined> {
    return await Promise.race([promise, this.#crashed.then(() => undefined)]);
  }

  put(replaces?: QueueId): QueueId | undefined {
    const { disk, store } = this;
    const id = store.newId();
    const before = this.known.get(id);
    expect(before?.fate === "stored" && this.#latest(id) !== undefined).toBe(false);
    if (before !== undefined) return undefined; // the clock stood still over a restart: an id of a finished message
    const text = `${id}:${"x".repeat(this.below(10) === 0 ? 900 + this.below(3000) : this.below(600))}`;
    const hold = this.below(8) === 0;
    const recipients = ["a@x", "b@x", "c@x"].slice(0, 1 + this.below(3)).map(internalAddress)
      .map((address) => ({ address, original: address, notify: 0 }));
    const states = recipients.map(() => ({ is: "pending" as const }));
    const known: Known = {
      id,
      text,
      fate: "pending",
      views: [{ hold, deferred: false, states, expire: false, byOperator: false, requeue: false }],
    };
    this.known.set(id, known);
    const envelope: Envelope = {
      id,
      arrival: this.now,
      sender: internalAddress("s@x"),
      recipients,
      origin: {},
      hold,
      ...(replaces !== undefined && { replaces }),
    };
    this.#commit(envelope, text).then(
      () => {
        known.fate = "stored";
        if (replaces !== undefined) this.#replaced(replaces);
      },
      () => {
        if (!disk.dead) known.fate = "rejected";
        if (!disk.dead && replaces !== undefined) this.#notReplaced(replaces);
      },
    );
    return id;
  }

  /** The message that was to go is gone for sure. */
  #replaced(old: QueueId): void {
    if (!this.#replacing.delete(old)) return;
    this.known.get(old)!.views = [undefined];
  }

  /** It stays as it was. */
  #notReplaced(old: QueueId): void {
    const refused = this.#replacing.get(old);
    if (refused === undefined) return;
    this.#replacing.delete(old);
    this.#kept.set(old, refused);
    const { views } = this.known.get(old)!;
    views.push(views.at(-2));
    this.store.release(old);
  }

  async #commit(envelope: Envelope, text: string): Promise<void> {
    const draft = this.store.draft(envelope.id);
    try {
      const head = this.below(300);
      if (this.below(4) === 0) {
        await draft.write(Buffer.from("y".repeat(this.below(2000))));
        await draft.restart();
      }
      for (let at = head; at < text.length; at += 500) {
        await draft.write(Buffer.from(text.slice(at, at + 500)));
      }
      await draft.commit(envelope, Buffer.from(text.slice(0, head)));
    } catch (error) {
      draft.abort();
      throw error;
    }
  }

  #latest(id: QueueId): View | undefined {
    return this.known.get(id)!.views.at(-1);
  }

  #see(id: QueueId, change: Partial<View> | undefined): void {
    const { views } = this.known.get(id)!;
    const last = views.at(-1);
    if (last === undefined) return;
    views.push(change === undefined ? undefined : { ...last, ...change });
  }

  async take(): Promise<void> {
    this.#active.push(...(await this.store.takeDue(this.now, 1 + this.below(5))));
  }

  #changed(states: readonly RecipientState[]): { states: RecipientState[]; changes: RecipientChange[] } {
    const changes: RecipientChange[] = [];
    const after = states.map((state, index): RecipientState => {
      if (this.random() < 0.5) return state;
      const next: RecipientState = this.random() < 0.5 ? { is: "done" } : {
        is: "pending",
        why: {
          status: "4.0.0",
          text: `no ${this.below(1000)} ${"é".repeat(this.below(9))}`,
          action: "delayed",
        },
      };
      changes.push({ index, state: next });
      return next;
    });
    return { states: after, changes };
  }

  /** Does something with an active message, as qmgr does. */
  async settle(): Promise<void> {
    const id = this.#active[this.below(this.#active.length)];
    if (id === undefined || this.#latest(id) === undefined) return;
    if (this.random() < 0.7) {
      const stored = await this.orCrash(this.store.open(id).catch(() => undefined));
      if (stored !== undefined && !this.disk.dead) {
        expect(stored.states).toEqual([...this.#latest(id)!.states]);
      }
    }
    const view = this.#latest(id);
    if (this.disk.dead || view === undefined || !this.#active.includes(id)) return;
    const { states, changes } = this.#changed(view.states);
    const action = this.below(4);
    if (action === 0) {
      this.store.record(id, changes);
      if (changes.length > 0) this.#see(id, { states });
      return;
    }
    this.#active = this.#active.filter((other) => other !== id);
    if (action === 1) {
      this.store.defer(id, this.now + this.below(1000), changes);
      this.#see(id, { states, deferred: true });
    } else if (action === 2) {
      this.store.remove(id);
      this.#see(id, undefined);
    } else this.store.release(id);
  }

  /** What an operator may do to any message, or to all: what he is told is durable. */
  async operate(): Promise<void> {
    const stored = [...this.known.values()].filter(({ id, fate }) => fate === "stored" && this.#latest(id));
    const one = stored[this.below(stored.length)];
    if (one === undefined) return;
    const chosen = MOVES[this.below(MOVES.length + 1)];
    if (chosen === undefined) return void await this.store.retryNow([one.id]);
    // Of all it is known only while none is on its way in or out.
    const isSettled = this.#replacing.size === 0 &&
      [...this.known.values()].every(({ fate }) => fate !== "pending");
    const meant = this.bulk && isSettled && this.below(3) === 0 ? stored : [one];
    const ids = meant.length === 1 ? meant.map(({ id }) => id) : undefined;
    if (this.#replacing.has(one.id)) return;
    for (const { id } of meant) this.#see(id, this.#moved(chosen, id));
    const sure = meant.map((known) => ({ known, count: known.views.length }));
    const told = await this.orCrash(moves(this.store, chosen, ids).then(() => true, () => undefined));
    if (chosen === "delete") {
      this.#active = this.#active.filter((id) => meant.every((each) => each.id !== id));
    }
    if (told === true) { for (const { known, count } of sure) known.views.splice(0, count - 1); }
  }

  /** What a move makes of a message. */
  #moved(move: (typeof MOVES)[number], id: QueueId): Partial<View> | undefined {
    const view = this.#latest(id)!;
    const rests = !this.#active.includes(id);
    switch (move) {
      case "hold":
        return view.requeue ? {} : { hold: true, byOperator: true };
      case "unhold":
        return view.hold ? { hold: false, byOperator: false, deferred: view.deferred || rests } : {};
      case "expire":
        return view.requeue ? {} : { expire: true };
      case "requeue":
        if (view.requeue) return {};
        return { requeue: true, hold: false, byOperator: false, deferred: view.deferred || rests };
      case "delete":
        return undefined;
    }
  }

  /** An active message makes room for a new one, as when it goes through cleanup(8) again. */
  replace(): void {
    const old = this.#active[this.below(this.#active.length)];
    if (old === undefined || this.#latest(old) === undefined) return;
    const id = this.put(old);
    if (id === undefined) return;
    this.#active = this.#active.filter((other) => other !== old);
    this.#see(old, undefined);
    this.#replacing.set(old, id);
  }

  /** After a flush the last view of what was there at its start is sure. */
  async flush(): Promise<void> {
    const sure = [...this.known.values()].filter(({ id, fate }) =>
      fate === "stored" && !this.#replacing.has(id)
    )
      .map((known) => ({ known, count: known.views.length }));
    try {
      const flushed = await this.orCrash(this.store.flush().then(() => true));
      if (flushed !== true) return;
      for (const { known, count } of sure) known.views.splice(0, count - 1);
    } catch { /* a fault: nothing new is sure */ }
  }

  async step(): Promise<void> {
    const dice = this.below(100);
    if (dice < 30) this.put();
    else if (dice < 45) await this.take();
    else if (dice < 70) await this.settle();
    else if (dice < 75) await this.operate();
    else if (dice < 78) this.replace();
    else if (dice < 80) await this.flush();
    else if (dice < 90) this.tick(this.below(200));
    else await this.turns(this.below(12));
  }

  /** The disk as it is after the power failed or the process was killed; from now on only what survived is true. */
  end(by: End["by"]): void {
    this.disk = by === "power" ? this.disk.crash() : this.disk.kill();
  }

  /** What was said of damage. */
  alarms(): QueueEvent[] {
    return this.events.filter(({ is }) => is === "corrupt" || is === "lost");
  }

  /** Compares what a store shows with what the test knows, and takes it as the new truth. */
  async verify(strict: boolean): Promise<void> {
    const seen = new Map<QueueId, View>();
    for await (const row of this.store.list()) {
      if (seen.has(row.id)) continue; // compaction moved it behind what was listed
      const stored = await this.store.open(row.id);
      const bytes: Uint8Array[] = [];
      for await (const chunk of stored.content.chunks()) bytes.push(chunk);
      expect(Buffer.concat(bytes).toString()).toBe(this.known.get(row.id)!.text);
      seen.set(row.id, {
        hold: row.queue === "hold",
        deferred: row.queue === "deferred",
        states: stored.states,
        expire: stored.forcedExpire === true,
        byOperator: stored.heldByOperator === true,
        requeue: stored.requeue === true,
      });
    }
    // One or the other, whenever the process ended.
    for (const pair of this.#replacing) {
      expect([pair, pair.filter((id) => seen.has(id)).length]).toEqual([pair, 1]);
    }
    this.#replacing.clear();
    for (const [old, refused] of this.#kept) {
      // What was refused on a failing disk may come back, and then it is there in place of the other one.
      if (strict || !seen.has(refused)) continue;
      this.#kept.delete(old);
      this.known.get(old)?.views.push(undefined);
    }
    const { incoming, active, deferred, hold } = await this.store.counts();
    expect(seen.size).toBe(incoming + active + deferred + hold);
    for (const known of this.known.values()) this.#verifyMessage(known, seen.get(known.id), strict);
  }

  #verifyMessage(known: Known, view: View | undefined, strict: boolean): void {
    if (known.fate === "rejected") {
      if (strict && view !== undefined) throw new Error(`${known.id} was refused and came back`);
    } else if (known.fate === "stored") this.#mustBeOneOf(known, view);
    if (known.fate === "rejected" && view !== undefined) known.fate = "stored";
    if (known.fate === "pending") known.fate = view === undefined ? "rejected" : "stored";
    known.views = [view];
  }

  #mustBeOneOf({ id, views }: Known, view: View | undefined): void {
    const looks = (one: View | undefined) =>
      JSON.stringify(
        one && [one.hold ? "hold" : one.deferred, one.states, one.expire, one.byOperator, one.requeue],
      );
    if (views.some((one) => looks(one) === looks(view))) return;
    throw new Error(`${id} is ${looks(view)}; it can be ${views.map(looks).join(" or ")}`);
  }
}

/** An end of the process, after so many calls to the disk. */
export interface End {
  readonly after: number;
  readonly by: "power" | "signal";
}
