import { WaitQueue } from "../../base/wait_queue.ts";
import type { Connection, ConnectionHandler } from "../../platform/socket/connection.ts";
import type { LdapCredentials, LdapEntry, LdapResponse, LdapSearch } from "./ldap_codec.ts";
import * as codec from "./ldap_codec.ts";
import { FrameSplitter } from "./ldap_frames.ts";
import { DECODING_ERROR, LdapFault, SERVER_DOWN, TIMED_OUT } from "./ldap_result_codes.ts";

/** All that a search found, and where else the server says to look. */
export interface LdapFound {
  readonly entries: readonly LdapEntry[];
  /** Each is a part of the answer that is elsewhere, with the URLs of servers that all have it. */
  readonly referrals: readonly (readonly string[])[];
}

interface Pending {
  readonly entries: LdapEntry[];
  readonly urls: (readonly string[])[];
  readonly resolve: (found: LdapFound) => void;
  readonly reject: (error: unknown) => void;
  bytes: number;
}

/** Searches of one connection that the server works on at a time; OpenLDAP ends connections with more than 100 waiting. */
const AT_A_TIME = 32;
/** Bytes that a search may return. */
const SEARCH_LIMIT = 32 << 20;
/** Milliseconds without a question after which the connection is closed, before something between us and the server forgets it. */
const IDLE_LIMIT = 120_000;

/**
 * A connection to a directory server. Several searches may be under way; each ends with its result, its time or the connection.
 * It is never opened again by itself: a new connection has to say anew who we are.
 */
export class LdapConnection implements ConnectionHandler {
  readonly #timeout: number;
  readonly #frames = new FrameSplitter();
  readonly #pending = new Map<number, Pending>();
  readonly #waitQueue = new WaitQueue();
  #connection: Connection | undefined;
  #lastId = 0;
  #running = 0;
  #heard = 0;
  #ended: LdapFault | undefined;
  #idle: NodeJS.Timeout | undefined;

  /** `timeout`: milliseconds for one operation. */
  constructor(timeout: number) {
    this.#timeout = timeout;
  }

  /** Takes the connection that this is the handler of. */
  attach(connection: Connection): this {
    this.#connection = connection;
    this.#rest();
    return this;
  }

  /** False when a new connection is needed. */
  get usable(): boolean {
    return this.#ended === undefined;
  }

  #rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.release(), IDLE_LIMIT);
  }

  /** Says who we are; rejects with an LdapFault when the server does not believe it. */
  async bind(credentials: LdapCredentials, signal: AbortSignal): Promise<void> {
    await this.#ask((id) => codec.encodeBind(id, credentials), signal);
  }

  /** Rejects with an LdapFault, or the signal's reason. */
  async search(search: LdapSearch, signal: AbortSignal): Promise<LdapFound> {
    while (this.#running >= AT_A_TIME) await this.#waitQueue.wait(signal);
    this.#running++;
    try {
      return await this.#ask((id) => codec.encodeSearch(id, search), signal);
    } finally {
      this.#running--;
      this.#waitQueue.next();
    }
  }

  #ask(encode: (id: number) => Buffer, signal: AbortSignal): Promise<LdapFound> {
    if (this.#ended !== undefined || this.#connection === undefined) {
      return Promise.reject(this.#ended ?? new LdapFault(SERVER_DOWN));
    }
    if (signal.aborted) return Promise.reject(signal.reason);
    const id = this.#nextId();
    const { promise, resolve, reject } = Promise.withResolvers<LdapFound>();
    const heard = this.#heard;
    const aborted = () => this.#abandon(id, signal.reason);
    const timer = setTimeout(() => this.#late(id, heard), this.#timeout);
    signal.addEventListener("abort", aborted, { once: true });
    this.#pending.set(id, { entries: [], urls: [], resolve, reject, bytes: 0 });
    clearTimeout(this.#idle);
    try {
      this.#connection.write(encode(id));
    } catch (error) {
      this.#pending.delete(id);
      reject(error);
    }
    return promise.finally(() => {
      clearTimeout(timer);
      signal.removeEventListener("abort", aborted);
      if (this.usable && this.#pending.size === 0) this.#rest();
    });
  }

  #nextId(): number {
    do {
      this.#lastId = this.#lastId % 0x7fffffff + 1;
    } while (this.#pending.has(this.#lastId));
    return this.#lastId;
  }

  /** A server that has said nothing at all meanwhile is taken for dead; else only this question has taken too long. */
  #late(id: number, heard: number): void {
    if (heard === this.#heard) return this.#fail(new LdapFault(TIMED_OUT));
    this.#abandon(id, new LdapFault(TIMED_OUT));
  }

  #abandon(id: number, reason: unknown): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.reject(reason);
    if (this.usable) this.#connection?.write(codec.encodeAbandon(this.#nextId(), id));
  }

  data(chunk: Buffer): void {
    this.#heard++;
    try {
      for (const frame of this.#frames.push(chunk)) this.#take(codec.decode(frame), frame.length);
    } catch (error) {
      this.#fail(
        error instanceof LdapFault ? error : new LdapFault(DECODING_ERROR, String(error), { cause: error }),
      );
    }
  }

  #take(response: LdapResponse, bytes: number): void {
    // Only the notice of disconnection has no number (RFC 4511 §4.4.1).
    if (response.id === 0) {
      const text = response.is === "result" ? response.text : "";
      return this.#fail(new LdapFault(SERVER_DOWN, text));
    }
    const pending = this.#pending.get(response.id);
    if (pending === undefined) return;
    pending.bytes += bytes;
    if (pending.bytes > SEARCH_LIMIT) {
      return this.#abandon(
        response.id,
        new LdapFault(DECODING_ERROR, `more than ${SEARCH_LIMIT} bytes of results`),
      );
    }
    if (response.is === "entry") return void pending.entries.push(response.entry);
    if (response.is === "reference") return void pending.urls.push(response.urls);
    this.#pending.delete(response.id);
    if (response.code === 0) return pending.resolve({ entries: pending.entries, referrals: pending.urls });
    pending.reject(new LdapFault(response.code, response.text, { urls: response.urls }));
  }

  end(): void {
    this.#fail(new LdapFault(SERVER_DOWN, "the server has closed the connection"));
  }

  drain(): void {}

  timeout(): void {}

  close(error?: Error): void {
    this.#fail(new LdapFault(SERVER_DOWN, error?.message ?? "the connection has been closed"));
  }

  #fail(fault: LdapFault): void {
    this.#ended ??= fault;
    clearTimeout(this.#idle);
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of pending) reject(fault);
    this.#connection?.destroy();
  }

  /** Says good-bye. */
  release(): void {
    if (!this.usable) return;
    this.#connection?.write(codec.encodeUnbind(this.#nextId()));
    this.#ended = new LdapFault(SERVER_DOWN, "the connection has been closed");
    clearTimeout(this.#idle);
    this.#connection?.end();
  }
}
