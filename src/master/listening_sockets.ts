import type { Endpoint } from "../config/listening_endpoints.ts";
import { systemErrorText } from "../platform/system_error.ts";
import type { SocketAddress } from "../platform/socket/inherited_sockets.ts";

/** The system calls behind the sockets. */
export interface SocketCalls {
  open(at: SocketAddress, backlog: number, shared: boolean): number;
  close(fd: number): void;
}

/** Connections that wait for a worker, at most: a restart of one must not refuse anybody. The system may cut it. */
const BACKLOG = 4096;

/** Sockets for a set of endpoints, opened and not yet in force. */
export interface PreparedSockets {
  /** Descriptors of an endpoint, one or more a worker. */
  of(endpoint: SocketAddress): readonly number[];
  /** These are the sockets now: closes those that nobody wants any more. */
  commit(): void;
  /** Closes what was opened for this set. */
  rollback(): void;
}

const keyOf = ({ address, port }: SocketAddress): string => `${address} ${port}`;

/**
 * The listening sockets of the service. They live in master from start to end, over restarts and reloads of workers, so that a
 * connection is never refused while a worker is away; master itself never accepts.
 */
export class ListeningSockets {
  readonly #calls: SocketCalls;
  #open = new Map<string, readonly number[]>();

  constructor(calls: SocketCalls) {
    this.#calls = calls;
  }

  /** Opens what is missing for these endpoints, one socket a worker. Throws an Error in master(8)'s words, with nothing changed. */
  prepare(endpoints: readonly Endpoint[], workers: number): PreparedSockets {
    const next = new Map<string, readonly number[]>();
    const opened: number[] = [];
    const rollback = () => opened.splice(0).forEach((fd) => this.#calls.close(fd));
    try {
      for (const endpoint of endpoints) {
        const key = keyOf(endpoint);
        if (!next.has(key)) next.set(key, this.#enough(endpoint, workers, opened));
      }
    } catch (error) {
      rollback();
      throw error;
    }
    return { of: (at) => next.get(keyOf(at)) ?? [], commit: () => this.#commit(next), rollback };
  }

  #enough(endpoint: Endpoint, workers: number, opened: number[]): readonly number[] {
    const fds = [...(this.#open.get(keyOf(endpoint)) ?? [])];
    while (fds.length < workers) {
      const fd = this.#openOne(endpoint, fds.length === 0);
      if (fd === undefined) break;
      opened.push(fd);
      fds.push(fd);
    }
    return fds;
  }

  /** The first socket of an endpoint also proves that no stranger of our uid listens there already. */
  #openOne(endpoint: Endpoint, first: boolean): number | undefined {
    try {
      if (first && !this.#portIsOurs(endpoint.port)) this.#calls.close(this.#calls.open(endpoint, 0, false));
      return this.#calls.open(endpoint, BACKLOG, true);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (endpoint.optional && (code === "EAFNOSUPPORT" || code === "EADDRNOTAVAIL")) return undefined;
      const why = systemErrorText(error);
      throw new Error(`bind ${endpoint.address} port ${endpoint.port}: ${why}`, { cause: error });
    }
  }

  #portIsOurs(port: number): boolean {
    return [...this.#open.keys()].some((key) => key.endsWith(` ${port}`));
  }

  #commit(next: Map<string, readonly number[]>): void {
    for (const [key, fds] of this.#open) {
      if (!next.has(key)) fds.forEach((fd) => this.#calls.close(fd));
    }
    this.#open = next;
  }

  /** Stops listening altogether; workers that still hold a socket keep it alive until they let go. */
  close(): void {
    this.#commit(new Map());
  }
}
