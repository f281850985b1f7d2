import type { Envelope, QueueId } from "../../src/queue/envelope.ts";
import type {
  Content,
  Draft,
  QueueCounts,
  QueueListing,
  QueueName,
  QueueStore,
  RecipientChange,
  RecipientState,
  StoredMessage,
} from "../../src/queue/store.ts";

/** What the fake keeps of a message; tests may look at it. */
export interface MemoryMessage {
  readonly envelope: Envelope;
  readonly bytes: Uint8Array;
  states: RecipientState[];
  queue: QueueName;
  due: number;
  warned: boolean;
  forcedExpire: boolean;
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

class Memory implements MemoryStore {
  readonly messages = new Map<QueueId, MemoryMessage>();
  readonly #listeners: (() => void)[] = [];
  readonly #now: () => number;
  #next = 0x10000;

  constructor(now: () => number) {
    this.#now = now;
  }

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
      due: this.#now(),
      warned: false,
      forcedExpire: false,
    });
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
        pieces.push(bytes);
        size += bytes.length;
      },
      restart() {
        pieces.length = size = 0;
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

  takeDue(now: number, limit: number): QueueId[] {
    const due = this.#waiting().filter((message) => message.due <= now).slice(0, limit);
    for (const message of due) message.queue = "active";
    return due.map(({ envelope }) => envelope.id);
  }

  nextDue(): number | undefined {
    return this.#waiting()[0]?.due;
  }

  async open(id: QueueId): Promise<StoredMessage> {
    const message = this.messages.get(id);
    if (message === undefined) throw new Error(`no message ${id}`);
    const { envelope, states, warned, forcedExpire, bytes } = message;
    return { envelope, states: [...states], warned, forcedExpire, content: contentOf(bytes) };
  }

  #active(id: QueueId): MemoryMessage {
    const message = this.messages.get(id);
    if (message === undefined || message.queue !== "active") throw new Error(`${id} is not active`);
    return message;
  }

  #change(message: MemoryMessage, changes: readonly RecipientChange[]): void {
    for (const { index, state } of changes) message.states[index] = state;
  }

  record(id: QueueId, changes: readonly RecipientChange[]): void {
    this.#change(this.#active(id), changes);
  }

  defer(
    id: QueueId,
    nextAttempt: number,
    changes: readonly RecipientChange[],
    options?: { readonly warned?: boolean },
  ): void {
    const message = this.#active(id);
    this.#change(message, changes);
    message.queue = "deferred";
    message.due = nextAttempt;
    message.warned = options?.warned ?? message.warned;
  }

  remove(id: QueueId): void {
    this.#active(id);
    this.messages.delete(id);
  }

  release(id: QueueId): void {
    this.#active(id).queue = "incoming";
  }

  async flush(): Promise<void> {}

  #move(
    ids: readonly QueueId[] | undefined,
    from: readonly QueueName[],
    change: (message: MemoryMessage) => void,
  ): number {
    const found = [...ids ?? this.messages.keys()].map((id) => this.messages.get(id))
      .filter((message) => message !== undefined && from.includes(message.queue));
    for (const message of found) change(message!);
    return found.length;
  }

  hold(ids?: readonly QueueId[]): number {
    return this.#move(ids, ["incoming", "deferred"], (message) => message.queue = "hold");
  }

  unhold(ids?: readonly QueueId[]): number {
    return this.#move(ids, ["hold"], (message) => message.queue = "deferred");
  }

  expire(ids?: readonly QueueId[]): number {
    return this.#move(ids, ["incoming", "deferred", "hold"], (message) => {
      message.forcedExpire = true;
      message.due = this.#now();
    });
  }

  delete(ids?: readonly QueueId[]): number {
    return this.#move(
      ids,
      ["incoming", "deferred", "hold"],
      ({ envelope }) => this.messages.delete(envelope.id),
    );
  }

  retryNow(ids?: readonly QueueId[]): number {
    return this.#move(ids, ["deferred"], (message) => message.due = this.#now());
  }

  counts(): QueueCounts {
    const counts = { incoming: 0, active: 0, deferred: 0, hold: 0, corrupt: 0, bytes: 0 };
    for (const { queue, bytes } of this.messages.values()) {
      counts[queue]++;
      counts.bytes += bytes.length;
    }
    return counts;
  }

  async *list(): AsyncIterable<QueueListing> {
    for (const { envelope, queue, bytes, forcedExpire, states } of this.messages.values()) {
      yield {
        id: envelope.id,
        queue,
        arrival: envelope.arrival,
        size: bytes.length,
        sender: envelope.sender,
        forcedExpire,
        recipients: envelope.recipients.map(({ address }, index) => {
          const state = states[index];
          return state.is === "pending" && state.why !== undefined
            ? { address, why: state.why.text }
            : { address };
        }),
      };
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
