import type { Clock } from "../../base/clock.ts";
import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { Connection, ConnectionHandler } from "../../platform/socket/connection.ts";
import { ReplyReader, type ServerReply } from "../../smtp/reply_reader.ts";

/** Why there is no reply. */
export type Silence = "lost" | "timeout";

/** How long a filter may take to close a connection that we have closed. */
const LINGER = 5_000;

/** How a filter is waited for. */
export interface Patience {
  /** Milliseconds for a reply, and for a piece of content to leave (smtpd_proxy_timeout). */
  readonly timeout: number;
  readonly clock: Clock;
  /** Longest line of a reply that is kept (line_length_limit). */
  readonly lineLimit: number;
  readonly warn: (text: string) => void;
}

/** Our end of a connection to a filter: one reply at a time, and content that waits for the filter to take it. */
export class FilterConnection implements ConnectionHandler {
  readonly #connection: Connection;
  readonly #patience: Patience;
  readonly #reader: ReplyReader;
  #silence: Silence | undefined;
  #heard: ((what: ServerReply | Silence) => void) | undefined;
  #drained: (() => void) | undefined;
  #cancel: (() => void) | undefined;

  constructor(connection: Connection, patience: Patience) {
    this.#connection = connection;
    this.#patience = patience;
    this.#reader = new ReplyReader({ limit: patience.lineLimit, warn: patience.warn });
  }

  get silence(): Silence | undefined {
    return this.#silence;
  }

  /** The next reply. */
  reply(): MaybeAsync<ServerReply | Silence> {
    const ready = this.#reader.take() ?? this.#silence;
    if (ready !== undefined) return ready;
    this.#startTimer();
    return new Promise((resolve) => this.#heard = resolve);
  }

  /** Sends bytes; a promise when the filter does not keep up. Once the connection is over they go nowhere: the next reply tells. */
  write(bytes: Uint8Array | string): MaybeAsync<void> {
    if (this.#silence !== undefined || this.#connection.write(bytes)) return;
    this.#startTimer();
    return new Promise((resolve) => this.#drained = resolve);
  }

  /** Says QUIT, whose answer nobody waits for, and hangs up. */
  quit(): void {
    if (this.#silence !== undefined) return this.#connection.destroy();
    this.#connection.write("QUIT\r\n");
    this.#silence = "lost";
    this.#connection.setTimeout(LINGER);
    this.#connection.end();
  }

  /** Hangs up at once: what was begun must not look as if it were whole. */
  tearAway(): void {
    this.#over("lost");
    this.#connection.destroy();
  }

  data(chunk: Buffer): void {
    if (!this.#reader.push(chunk)) return this.tearAway();
    const heard = this.#heard;
    const reply = heard === undefined ? undefined : this.#reader.take();
    if (heard === undefined || reply === undefined) return;
    this.#heard = undefined;
    this.#stopTimer();
    heard(reply);
  }

  end(): void {
    this.#over("lost");
    this.#connection.end();
  }

  drain(): void {
    this.#stopTimer();
    this.#goOn();
  }

  timeout(): void {
    this.#connection.destroy();
  }

  close(): void {
    this.#over("lost");
  }

  #startTimer(): void {
    this.#stopTimer();
    this.#cancel = this.#patience.clock.after(this.#patience.timeout, () => {
      this.#over("timeout");
      this.#connection.destroy();
    });
  }

  #stopTimer(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #goOn(): void {
    const drained = this.#drained;
    this.#drained = undefined;
    drained?.();
  }

  #over(silence: Silence): void {
    this.#silence ??= silence;
    this.#stopTimer();
    this.#goOn();
    const heard = this.#heard;
    this.#heard = undefined;
    heard?.(this.#silence);
  }
}
