import { standardInputAsItComes } from "../process/standard_input.ts";
import { writeOut } from "../process/this_process.ts";
import type { Connection, ConnectionHandler } from "./connection.ts";

const DAY = 86_400_000;

/** Standard input and output as a connection, for a session with who called us. It cannot be encrypted. */
class StandardConnection implements Connection {
  readonly local: Connection["local"];
  readonly remote: Connection["remote"];
  #handler: ConnectionHandler;
  #closed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #limit = 0;
  /** Lets the reader go on; undefined while it may. */
  #goOn: (() => void) | undefined;
  #paused: Promise<void> | undefined;
  /** Each write is done at once. */
  readonly unsent = 0;
  readonly #over: (error: NodeJS.ErrnoException | undefined) => void;

  constructor(
    ends: Pick<Connection, "local" | "remote">,
    handlerOf: (connection: Connection) => ConnectionHandler,
    over: () => void,
  ) {
    this.local = ends.local;
    this.remote = ends.remote;
    this.#handler = handlerOf(this);
    this.#over = (error) => {
      if (this.#closed) return;
      this.#closed = true;
      clearTimeout(this.#timer);
      this.#handler.close(error);
      over();
    };
  }

  get socket(): never {
    throw new Error("standard input and output are no socket");
  }

  /** Hands on what comes until the end. */
  async read(): Promise<void> {
    try {
      for await (const chunk of standardInputAsItComes()) {
        await this.#paused;
        if (this.#closed) return;
        this.#wind();
        this.#handler.data(chunk);
      }
      await this.#paused;
      if (!this.#closed) this.#handler.end();
    } catch (error) {
      this.#over(error as NodeJS.ErrnoException);
    }
  }

  write(bytes: Uint8Array | string): boolean {
    if (this.#closed) return true;
    try {
      writeOut(bytes);
    } catch (error) {
      queueMicrotask(() => this.#over(error as NodeJS.ErrnoException));
    }
    this.#wind();
    return true;
  }

  pause(): void {
    this.#paused ??= new Promise((resolve) => this.#goOn = resolve);
  }

  resume(): void {
    this.#goOn?.();
    this.#paused = this.#goOn = undefined;
  }

  setTimeout(milliseconds: number): void {
    this.#limit = Math.min(milliseconds, DAY);
    this.#wind();
  }

  #wind(): void {
    clearTimeout(this.#timer);
    if (this.#limit > 0 && !this.#closed) {
      this.#timer = setTimeout(() => this.#handler.timeout(), this.#limit);
    }
  }

  setHandler(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  startTls(): Promise<never> {
    return Promise.reject(new Error("standard input and output are not encrypted"));
  }

  end(): void {
    queueMicrotask(() => this.#over(undefined));
  }

  destroy(): void {
    this.end();
  }
}

/** Holds a session over standard input and output; resolves when it is over. */
export function overStandardStreams(
  ends: Pick<Connection, "local" | "remote">,
  handlerOf: (connection: Connection) => ConnectionHandler,
): Promise<void> {
  return new Promise((resolve) => void new StandardConnection(ends, handlerOf, resolve).read());
}
