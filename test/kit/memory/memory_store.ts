import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Custody } from "../../../src/queue/custody.ts";
import type { Envelope, QueueId } from "../../../src/queue/envelope.ts";
import {
  type Content,
  type Draft,
  type Moved,
  type MoveEffect,
  type QueueCounts,
  type QueueListing,
  type QueueMove,
  type QueueName,
  QUEUES_IN_ORDER,
  type QueueStore,
  type RecipientChange,
  type RecipientState,
  type Selection,
  type StoredMessage,
  type Wanted,
} from "../../../src/queue/store.ts";

/** What the fake keeps of a message; tests may look at it. */
export interface MemoryMessage {
  readonly envelope: Envelope;
  readonly bytes: Uint8Array;
  states: RecipientState[];
  queue: QueueName;
  /** To be held when its run ends. */
  held: boolean;
  deferred: boolean;
  due: number;
  warned: boolean;
  forcedExpire: boolean;
  requeue: boolean;
  heldByOperator: boolean;
}

/** A queue store without a disk, and a look behind its curtain. */
export interface MemoryStore extends QueueStore {
  readonly messages: ReadonlyMap<QueueId, MemoryMessage>;
  /** Puts a message in, as if it had been committed. */
  put(envelope: Envelope, content: string | Uint8Array): void;
}

/** A content that is held whole. */
export function contentOf(bytes: Uint8Array | string): Content {
  const held = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
  return {
    size: held.length,
    bytes: held,
    async *chunks() {
      yield held;
    },
  };
}

function listingOf({ envelope, queue, bytes, forcedExpire, states }: MemoryMessage): QueueListing {
  return {
    id: envelope.id,
    queue,
    arrival: envelope.arrival,
    size: bytes.length,
    sender: envelope.sender,
    forcedExpire,
    recipients: envelope.recipients.flatMap(({ address, original }, index) => {
      const state = states[index];
      if (state?.is !== "pending") return [];
      return [{
        address,
        ...(original !== address && { original }),
        ...(state.why !== undefined && { why: state.why.text, status: state.why.status }),
      }];
    }),
  };
}

/** What a move does to a message. */
const EFFECTS: Readonly<Record<QueueMove, (message: MemoryMessage) => readonly MoveEffect[]>> = {
  hold: ({ held, requeue }) => held || requeue ? [] : ["held"],
  unhold: ({ held }) => held ? ["released"] : [],
  expire: ({ forcedExpire, requeue }) => forcedExpire || requeue ? [] : ["expired"],
  expireAndUnhold: (message) => [...EFFECTS.expire(message), ...EFFECTS.unhold(message)],
  delete: () => ["deleted"],
  requeue: ({ requeue }) => requeue ? [] : ["requeued"],
};

class Memory implements MemoryStore {
  readonly ownership = "shared";
  readonly loaded = Promise.resolve();
  readonly messages = new Map<QueueId, MemoryMessage>();
  readonly #listeners: (() => void)[] = [];
  readonly #files = new Map<QueueId, string>();
  readonly #recallers: ((id: QueueId, effect: MoveEffect) => void)[] = [];
  readonly #now: () => number;
  #next = 0x10000;
  #takeDeferred = false;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** In a folder beside the one that files come from; there is no restart that anything could be left over. */
  readonly custody: Custody = {
    take: (path, id) => {
      if (!existsSync(path)) return false;
      this.#files.set(id, join(dirname(path), "../custody", id));
      mkdirSync(join(dirname(path), "../custody"), { recursive: true });
      renameSync(path, this.custody.path(id));
      return true;
    },
    secured: () => Promise.resolve(),
    path: (id) => this.#files.get(id) ?? "",
    drop: (id) => {
      const path = this.#files.get(id);
      this.#files.delete(id);
      if (path !== undefined) rmSync(path, { force: true });
    },
    left: () => [],
    onLeft: () => {},
  };

  newId(): QueueId {
    return `${(this.#next++).toString(16).toUpperCase()}ABCDEF` as QueueId;
  }

  refusal(): undefined {}

  readonly trouble = undefined;

  put(envelope: Envelope, content: string | Uint8Array): void {
    this.messages.set(envelope.id, {
      envelope,
      bytes: typeof content === "string" ? Buffer.from(content, "latin1") : content,
      states: envelope.recipients.map(() => ({ is: "pending" })),
      queue: envelope.hold === true ? "hold" : "incoming",
      held: envelope.hold === true,
      deferred: false,
      due: this.#now(),
      warned: false,
      forcedExpire: false,
      requeue: false,
      heldByOperator: false,
    });
    if (envelope.replaces !== undefined) this.messages.delete(envelope.replaces);
    if (envelope.hold !== true) { for (const listener of this.#listeners) listener(); }
  }

  draft(id: QueueId): Draft {
    const pieces: Uint8Array[] = [];
    let size = 0;
    return {
      id,
      get size() {
        return size;
      },
      write(bytes) {
        pieces.push(Buffer.from(bytes));
        size += bytes.length;
      },
      restart() {
        pieces.length = size = 0;
      },
      async *read() {
        yield* pieces;
      },
      commit: async (envelope, head) => this.put(envelope, Buffer.concat([head, ...pieces])),
      abort: () => void (pieces.length = 0),
    };
  }

  onArrival(listener: () => void): void {
    this.#listeners.push(listener);
    for (const { queue } of this.messages.values()) if (queue === "incoming") listener();
  }

  #waiting(): MemoryMessage[] {
    return [...this.messages.values()].filter(({ queue }) => queue === "incoming" || queue === "deferred")
      .sort((a, b) => a.due - b.due);
  }

  async takeDue(now: number, limit: number): Promise<readonly QueueId[]> {
    const due = this.#waiting().filter((message) => message.due <= now);
    const [fresh, late] = [due.filter((each) => !each.deferred), due.filter((each) => each.deferred)];
    const taken: MemoryMessage[] = [];
    while (taken.length < limit && fresh.length + late.length > 0) {
      const first = this.#takeDeferred ? late : fresh;
      taken.push((first.shift() ?? (first === late ? fresh : late).shift())!);
      this.#takeDeferred = !this.#takeDeferred;
    }
    for (const message of taken) message.queue = "active";
    return taken.map(({ envelope }) => envelope.id);
  }

  async nextDue(): Promise<number | undefined> {
    return this.#waiting()[0]?.due;
  }

  async open(id: QueueId): Promise<StoredMessage> {
    const message = this.messages.get(id);
    if (message === undefined) throw new Error(`no message ${id}`);
    const { envelope, states, warned, forcedExpire, requeue, heldByOperator, bytes } = message;
    const content = contentOf(bytes);
    return { envelope, states: [...states], warned, forcedExpire, requeue, heldByOperator, content };
  }

  /** A message that was deleted in the middle of its run is gone: what the run still reports is ignored. */
  #find(id: QueueId): MemoryMessage | undefined {
    return this.messages.get(id);
  }

  #change(message: MemoryMessage, changes: readonly RecipientChange[]): void {
    for (const { index, state } of changes) message.states[index] = state;
  }

  /** Where a message waits that is not active. */
  #rest(message: MemoryMessage): void {
    message.queue = message.held ? "hold" : message.deferred ? "deferred" : "incoming";
  }

  record(id: QueueId, changes: readonly RecipientChange[]): void {
    const message = this.#find(id);
    if (message !== undefined) this.#change(message, changes);
  }

  defer(
    id: QueueId,
    nextAttempt: number,
    changes: readonly RecipientChange[],
    options?: { readonly warned?: boolean },
  ): void {
    const message = this.#find(id);
    if (message === undefined) return;
    this.#change(message, changes);
    message.deferred = true;
    message.due = nextAttempt;
    message.warned ||= options?.warned === true;
    this.#rest(message);
  }

  remove(id: QueueId): boolean {
    return this.messages.delete(id);
  }

  release(id: QueueId): void {
    const message = this.#find(id);
    if (message?.queue === "active") this.#rest(message);
  }

  async flush(): Promise<void> {}

  /** Changes messages; answers how many `change` touched. */
  #move(ids: readonly QueueId[] | undefined, change: (message: MemoryMessage) => boolean): number {
    const found = [...new Set(ids ?? this.messages.keys())].flatMap((id) => this.messages.get(id) ?? []);
    return found.filter(change).length;
  }

  #announce(): void {
    for (const listener of this.#listeners) listener();
  }

  async *move(move: QueueMove, selection: Selection = {}): AsyncGenerator<readonly Moved[]> {
    const { ids, queues, wanted: { queues: among, before = Infinity, matches } = {}, dryRun } = selection;
    const found = [...new Set(ids ?? this.messages.keys())].flatMap((id) => this.messages.get(id) ?? [])
      .filter((message) =>
        queues?.includes(message.requeue ? "maildrop" : message.queue) !== false &&
        among?.includes(message.queue) !== false &&
        message.envelope.arrival <= before && (ids !== undefined || matches?.(listingOf(message)) !== false)
      );
    const moved = found.flatMap((message) =>
      EFFECTS[move](message).map((effect): Moved => ({ id: message.envelope.id, effect }))
    );
    if (dryRun !== true) { for (const each of moved) this.#apply(each); }
    if (dryRun !== true && move === "hold") {
      for (const message of found) message.heldByOperator = message.held;
    }
    yield moved;
  }

  onRecall(listener: (id: QueueId, effect: MoveEffect) => void): void {
    this.#recallers.push(listener);
  }

  #apply({ id, effect }: Moved): void {
    const message = this.messages.get(id)!;
    if (message.queue === "active" && effect !== "released" && effect !== "expired") {
      for (const listener of this.#recallers) listener(id, effect);
    }
    if (effect === "deleted") return void this.messages.delete(id);
    if (effect === "expired") return void (message.forcedExpire = true);
    message.held = message.heldByOperator = effect === "held";
    if (effect === "requeued") message.requeue = true;
    if (message.queue === "active") return;
    if (effect !== "held") message.deferred = true;
    if (effect === "requeued") message.due = this.#now();
    this.#rest(message);
    if (effect !== "held") this.#announce();
  }

  async retryNow(ids?: readonly QueueId[]): Promise<number> {
    const moved = this.#move(ids, (message) => {
      if (message.queue !== "deferred") return false;
      message.due = Math.min(message.due, this.#now());
      return true;
    });
    if (moved > 0) this.#announce();
    return moved;
  }

  async retrySite(site: string): Promise<number> {
    const waits = ({ envelope: { recipients }, states }: MemoryMessage) =>
      recipients.some(({ address }, at) => states[at]!.is === "pending" && address.endsWith(`@${site}`));
    return await this.retryNow([...this.messages].filter(([, each]) => waits(each)).map(([id]) => id));
  }

  async counts(): Promise<QueueCounts> {
    const counts = { incoming: 0, active: 0, deferred: 0, hold: 0, corrupt: 0, bytes: 0 };
    for (const { queue, bytes } of this.messages.values()) {
      counts[queue]++;
      counts.bytes += bytes.length;
    }
    return counts;
  }

  async find(id: QueueId): Promise<QueueListing | undefined> {
    const message = this.messages.get(id);
    return message === undefined ? undefined : listingOf(message);
  }

  async *list(wanted: Wanted = {}): AsyncIterable<QueueListing> {
    for (const name of QUEUES_IN_ORDER) {
      if (wanted.queues?.includes(name) === false) continue;
      for (const row of [...this.messages.values()].map(listingOf)) {
        if (row.queue !== name || row.arrival > (wanted.before ?? Infinity)) continue;
        if (wanted.matches?.(row) !== false) yield row;
      }
    }
  }

  async probe(): Promise<number> {
    return 0;
  }

  async damage(): Promise<undefined> {}

  async adoptOrphans(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {}
}

/** A queue store in memory. It keeps the contract but for durability. */
export function memoryStore(now: () => number = Date.now): MemoryStore {
  return new Memory(now);
}
