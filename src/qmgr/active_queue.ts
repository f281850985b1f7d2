import { systemErrorText } from "../platform/system_error.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../observe/log.ts";
import type { QueueId } from "../queue/envelope.ts";
import type { Content, QueueStore, StoredMessage } from "../queue/store.ts";
import { activate, activateProbe, type ActiveMessage, pendingIndexes } from "./active_message.ts";
import type { Probe } from "./probe.ts";

/** What the active queue is built from. Times are milliseconds. */
export interface ActiveQueueOptions {
  readonly store: QueueStore;
  readonly clock: Clock;
  /** The same clock, but it goes on when that is set back: by it messages are due. */
  readonly waits: Clock;
  readonly log: Log;
  /** qmgr_message_active_limit, qmgr_message_recipient_limit. */
  readonly messageLimit: number;
  readonly recipientLimit: number;
  /** When a message that could not be opened is tried again. */
  readonly retryAfter: number;
  /** Called for each message that enters; `pending` are the recipients to deliver to. */
  begin(message: ActiveMessage, pending: readonly number[]): void;
  /** Called when a message has left. */
  left(): void;
}

/** Messages read from the store at a time. */
const OPENING = 100;

/** Bytes of content held for messages that wait; beyond, content is read again when its turn comes. */
const CONTENT_BUDGET = 64 * 1024 * 1024;

/** The bounded set of messages that deliveries are scheduled for; all others stay in the store. */
export class ActiveQueue {
  readonly #options: ActiveQueueOptions;
  readonly #messages = new Map<QueueId, ActiveMessage>();
  #opening = 0;
  /** Of those that are being opened, what is not wanted any more. */
  readonly #recalled = new Set<QueueId>();
  #recipients = 0;
  #heldBytes = 0;
  #scheduled = false;
  #more = false;
  #stopped = false;
  /** The store is being asked for more; what comes meanwhile is looked at afterwards. */
  #taking = false;
  #again = false;
  #wakeAt = Infinity;
  #cancelWake: (() => void) | undefined;

  constructor(options: ActiveQueueOptions) {
    this.#options = options;
  }

  /** Messages that are active or being opened. */
  get size(): number {
    return this.#messages.size + this.#opening;
  }

  /** Nothing is active, and nothing can become so. */
  get isEmpty(): boolean {
    return this.size === 0 && !this.#taking;
  }

  /** Recipients without an outcome. */
  get recipients(): number {
    return this.#recipients;
  }

  /** A message that is active, unless it is still being opened. */
  get(id: QueueId): ActiveMessage | undefined {
    return this.#messages.get(id);
  }

  /** A message that is on its way in is to go back. */
  recall(id: QueueId): void {
    if (this.#opening > 0 || this.#taking) this.#recalled.add(id);
  }

  messages(): ActiveMessage[] {
    return [...this.#messages.values()];
  }

  /** Looks for due messages soon; many calls in one turn are one look. */
  wake(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#take();
    });
  }

  /** Looks for due messages at that time, if not before. */
  wakeBy(time: number): void {
    if (time >= this.#wakeAt || this.#stopped) return;
    this.#cancelWake?.();
    this.#wakeAt = time;
    const { waits } = this.#options;
    this.#cancelWake = waits.after(time - waits.now(), () => {
      this.#wakeAt = Infinity;
      this.#cancelWake = undefined;
      this.wake();
    });
  }

  /** Takes in nothing more. */
  stop(): void {
    this.#stopped = true;
    this.#cancelWake?.();
  }

  /** The content of a message, read again where it was let go. */
  async content(message: ActiveMessage): Promise<Content> {
    return message.content ?? (await this.#options.store.open(message.id)).content;
  }

  /** Recipients of a message have their outcome. */
  settled(message: ActiveMessage, recipients: number): void {
    message.outstanding -= recipients;
    this.#recipients -= recipients;
  }

  /** A message leaves the active queue. */
  remove(message: ActiveMessage): void {
    if (!this.#messages.delete(message.id)) return;
    this.#recipients -= message.outstanding;
    if (message.content !== undefined && message.probe === undefined) {
      this.#heldBytes -= message.content.bytes?.length ?? 0;
    }
    if (this.#more) this.wake();
    this.#options.left();
  }

  #room(): number {
    if (this.#recipients >= this.#options.recipientLimit) return 0;
    return Math.min(this.#options.messageLimit - this.size, OPENING - this.#opening);
  }

  #take(): void {
    if (this.#stopped) return;
    this.#again = this.#taking;
    if (this.#taking) return;
    const room = this.#room();
    this.#more = true;
    if (room <= 0) return;
    this.#taking = true;
    this.#takeUpTo(room).catch((error) => this.#cannotTake(error)).finally(() => {
      this.#taking = false;
      if (this.#again) this.wake();
      if (this.#stopped) this.#options.left();
    });
  }

  async #takeUpTo(room: number): Promise<void> {
    const { store, waits } = this.#options;
    const ids = await store.takeDue(waits.now(), room);
    if (this.#stopped) return ids.forEach((id) => store.release(id));
    this.#more = ids.length === room;
    this.#opening += ids.length;
    for (const id of ids) this.#open(id);
    if (this.#more) return;
    const next = await store.nextDue();
    if (next !== undefined) this.wakeBy(next);
  }

  #cannotTake(error: unknown): void {
    this.#options.log.note("qmgr", "warning", `cannot look for mail that is due: ${String(error)}`);
    this.wakeBy(this.#options.waits.now() + this.#options.retryAfter);
  }

  #open(id: QueueId): void {
    this.#options.store.open(id).then(
      (stored) => this.#enter(id, stored),
      (error) => this.#failed(id, error),
    );
  }

  #enter(id: QueueId, stored: StoredMessage): void {
    this.#opening--;
    const isRecalled = this.#recalled.delete(id);
    if (isRecalled || this.#stopped) {
      this.#options.store.release(id);
      return this.#left();
    }
    const pending = pendingIndexes(stored.states);
    const message = activate(stored, pending.length, this.#options.clock.now());
    const bytes = stored.content.bytes?.length ?? 0;
    if (this.#heldBytes + bytes > CONTENT_BUDGET) message.content = undefined;
    else this.#heldBytes += bytes;
    this.#messages.set(id, message);
    this.#recipients += pending.length;
    this.#options.begin(message, pending);
    if (this.#more && this.#opening === 0) this.wake();
  }

  /** Takes in a probe beside the messages of the store; how many there are is for who sends them to limit. */
  admit(probe: Probe): void {
    const message = activateProbe(probe, this.#options.clock.now());
    this.#messages.set(message.id, message);
    this.#recipients += message.outstanding;
    this.#options.begin(message, message.envelope.recipients.map((_recipient, index) => index));
  }

  #failed(id: QueueId, error: unknown): void {
    this.#opening--;
    // Deleted while it was being opened.
    if (this.#recalled.delete(id)) return this.#left();
    this.#options.log.note("qmgr", "warning", `${id}: cannot open the message: ${systemErrorText(error)}`);
    try {
      const until = this.#options.waits.now() + this.#options.retryAfter;
      this.#options.store.defer(id, until, []);
      this.wakeBy(until);
    } catch {
      // The store has put it aside; it says so itself.
    }
    this.#left();
  }

  #left(): void {
    if (this.#opening === 0 && !this.#taking) this.#recalled.clear();
    if (this.#more) this.wake();
    this.#options.left();
  }
}
