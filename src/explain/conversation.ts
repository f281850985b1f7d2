import type { Cleanup, IncomingMessage } from "../cleanup/cleanup.ts";
import type { Clock } from "../base/clock.ts";
import type { Connection, ConnectionHandler } from "../platform/socket/connection.ts";
import type { QueueId } from "../queue/envelope.ts";
import { printQueueId } from "../queue/queue_id.ts";
import type { Smtpd } from "../smtpd/smtpd.ts";

/** The server's end of a connection that is none: what it writes is kept, and nothing ever leaves. */
class PaperConnection implements Connection {
  readonly local: Connection["local"];
  readonly remote: Connection["remote"];
  readonly unsent = 0;
  closed = false;
  #written = "";
  #waiting: ((reply: readonly string[]) => void) | undefined;

  constructor(local: Connection["local"], remote: Connection["remote"]) {
    this.local = local;
    this.remote = remote;
  }

  get socket(): never {
    throw new Error("a session on paper has no socket");
  }

  write(bytes: Uint8Array | string): boolean {
    this.#written += typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("utf8");
    this.#deliver();
    return true;
  }

  /** The next whole reply, line by line; empty when the server hangs up without one. */
  reply(): Promise<readonly string[]> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.#deliver();
    });
  }

  #deliver(): void {
    const whole = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n/.exec(this.#written)?.[0];
    if (this.#waiting === undefined || (whole === undefined && !this.closed)) return;
    this.#written = this.#written.slice(whole?.length ?? 0);
    const tell = this.#waiting;
    this.#waiting = undefined;
    tell(whole?.trimEnd().split("\r\n") ?? []);
  }

  pause(): void {}
  resume(): void {}
  setTimeout(): void {}
  setHandler(): void {}

  startTls(): Promise<never> {
    return Promise.reject(new Error("a session on paper is not encrypted"));
  }

  end(): void {
    this.destroy();
  }

  destroy(): void {
    this.closed = true;
    this.#deliver();
  }
}

/** The client's side of a session with a server in memory. */
export interface Conversation {
  /** The greeting. */
  greeting(): Promise<readonly string[]>;
  /** Says a line and waits for the reply. */
  say(line: string): Promise<readonly string[]>;
  readonly over: boolean;
  hangUp(): void;
}

/** Opens a session. Whoever waits for a reply must give up some time: a policy server may be asked for real. */
export function converse(
  smtpd: Smtpd,
  local: Connection["local"],
  remote: Connection["remote"],
): Conversation {
  const connection = new PaperConnection(local, remote);
  const handler: ConnectionHandler = smtpd.accept(connection);
  return {
    greeting: () => connection.reply(),
    say(line) {
      const reply = connection.reply();
      handler.data(Buffer.from(`${line}\r\n`, "utf8"));
      return reply;
    },
    get over() {
      return connection.closed;
    },
    hangUp() {
      connection.destroy();
      handler.close(undefined);
    },
  };
}

/** Stands where a queue id would. */
export const NO_ID = printQueueId({ a: 0, b: 0, c: 0 });

/** A cleanup that takes any message and keeps none; its size is what it is said to be. */
export function discardingCleanup(size: number): Cleanup {
  const message = (id: QueueId): IncomingMessage => ({
    size,
    write: () => {},
    commit: () => Promise.resolve({ is: "queued", id, size }),
    abort: () => {},
  });
  return { begin: ({ id }) => message(id) };
}

/** A clock on which whatever must be waited for is over at once. */
export const clockWithoutWaits: Clock = {
  now: Date.now,
  after(_milliseconds, call) {
    let cancelled = false;
    queueMicrotask(() => {
      if (!cancelled) call();
    });
    return () => void (cancelled = true);
  },
};
