import type net from "node:net";
import { netModule } from "../late_modules.ts";
import { trueConnectError } from "./connect_error.ts";
import { processInput } from "./input_count.ts";
import { pauseAtOnce } from "./runtime_handle.ts";
import { type TlsFacts, type TlsSide, turnToTls } from "./start_tls.ts";

/** One end of a connection. */
export interface Endpoint {
  /** Canonical text; IPv4 for v4-mapped; "" for unix sockets. */
  readonly address: string;
  readonly port: number;
}

/** What the owner of a connection wants to hear. Each is called from the event loop; a throw in one destroys the connection. */
export interface ConnectionHandler {
  /** Bytes from the peer; the chunk may be kept. */
  data(chunk: Buffer): void;
  /** The peer has closed its sending side. */
  end(): void;
  /** Everything written has left; comes after `write` answered false. */
  drain(): void;
  /** `setTimeout` ran out with no bytes in either direction. */
  timeout(): void;
  /** Last call. `error` when it broke. */
  close(error: NodeJS.ErrnoException | undefined): void;
}

/** A stream connection, TCP or unix. */
export interface Connection {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /**
   * Queues bytes, which leave together with all others written in this turn of the event loop; false asks to wait for `drain`.
   * Strings are sent as UTF-8.
   */
  write(bytes: Uint8Array | string): boolean;
  /** Bytes that were written and are still looked at: what they came in must stay as it is. */
  readonly unsent: number;
  pause(): void;
  resume(): void;
  /** Idle time limit in milliseconds, 0 = none; clamped to one day. After `end`, what still comes in does not extend it. */
  setTimeout(milliseconds: number): void;
  /** Sends what is queued, then closes. */
  end(): void;
  destroy(): void;
  /** Who hears of what happens from now on. */
  setHandler(handler: ConnectionHandler): void;
  /**
   * Turns to TLS. Plaintext that was written leaves first, plaintext that was not read yet is thrown away, and what is written
   * meanwhile waits until it can leave encrypted. Rejects when the handshake fails or takes too long; the connection is over then.
   */
  startTls(side: TlsSide): Promise<TlsFacts>;
  /** The runtime's socket, for system calls inside `platform/`. */
  readonly socket: net.Socket;
}

const DAY = 86_400_000;

/** Text of an address as the mail world writes it: v4-mapped IPv6 becomes IPv4. */
function canonicalPeer(address: string | undefined): string {
  if (address === undefined) return "";
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

/** Bytes that may gather before they are sent at once. */
const GATHER_LIMIT = 65_536;
/** Pieces that are larger on average leave one by one: to leave together they would be copied. */
const LARGE = 16_384;

/** Connections with gathered writes, sent together when the event loop has handed out all that came in. */
let gathering: StreamConnection[] = [];

/**
 * Sends what this turn of the event loop has written. Answering many peers in one go wakes each of them once, and the first
 * wake-up is the expensive one: on a virtual machine it costs more than all the rest of a reply.
 */
function sendGathered(): void {
  const turn = gathering;
  gathering = [];
  for (const connection of turn) connection.send();
}

class StreamConnection implements Connection {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  #socket: net.Socket;
  #handler: ConnectionHandler;
  /** While the handshake goes on; nothing is written then. */
  #turning: AbortController | undefined;
  #gathered: (Uint8Array | string)[] = [];
  #bytes = 0;
  #full = false;
  #isEnding = false;
  /** For `processInput`. */
  #lastHeard = -1;
  #failure: NodeJS.ErrnoException | undefined;
  /**
   * The idle limit. The runtime's own socket time-out stays silent while written bytes wait for a peer that does not read
   * (Bun 1.4.5), which is just when it is needed.
   */
  #timer: NodeJS.Timeout | undefined;

  constructor(socket: net.Socket, handlerOf: (connection: Connection) => ConnectionHandler) {
    this.#socket = socket;
    const { localPort = 0, remotePort = 0 } = socket;
    this.local = { address: canonicalPeer(socket.localAddress), port: localPort };
    this.remote = { address: canonicalPeer(socket.remoteAddress), port: remotePort };
    this.#handler = handlerOf(this);
    this.#listen();
  }

  readonly #onData = (chunk: Buffer) => this.#guarded(() => this.#arrived(chunk));
  readonly #onEnd = () => this.#guarded(() => this.#handler.end());
  readonly #onDrain = () => this.#guarded(() => this.#drained());
  readonly #onError = (error: NodeJS.ErrnoException) => void (this.#failure ??= error);
  readonly #onClose = () => this.#guarded(() => this.#closed());

  #listen(): void {
    this.#socket.on("data", this.#onData).on("end", this.#onEnd).on("drain", this.#onDrain)
      .on("error", this.#onError).on("close", this.#onClose);
  }

  #stopListening(): void {
    this.#socket.off("data", this.#onData).off("end", this.#onEnd).off("drain", this.#onDrain)
      .off("error", this.#onError).off("close", this.#onClose);
  }

  get socket(): net.Socket {
    return this.#socket;
  }

  setHandler(handler: ConnectionHandler): void {
    this.#handler = handler;
  }

  async startTls(side: TlsSide): Promise<TlsFacts> {
    this.send();
    this.#turning = new AbortController();
    this.#stopListening();
    try {
      const { socket, facts } = await turnToTls(this.#socket, side, this.#turning.signal);
      this.#socket = socket;
      this.#turning = undefined;
      this.#full = false;
      this.#listen();
      this.send();
      return facts;
    } catch (error) {
      this.#failure ??= error as NodeJS.ErrnoException;
      this.#turning = undefined;
      this.#gathered = [];
      // Who asked hears of it first.
      setImmediate(this.#onClose);
      throw error;
    }
  }

  #closed(): void {
    processInput.closed(this.#lastHeard);
    this.setTimeout(0);
    this.#handler.close(this.#failure);
  }

  #guarded(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#failure ??= error as NodeJS.ErrnoException;
      this.#socket.destroy();
      reportBug(error);
    }
  }

  #arrived(chunk: Buffer): void {
    this.#lastHeard = processInput.heard(this.#lastHeard);
    if (!this.#isEnding) this.#moved();
    this.#handler.data(chunk);
  }

  #drained(): void {
    this.#full = false;
    this.#moved();
    this.#handler.drain();
  }

  #moved(): void {
    this.#timer?.refresh();
  }

  write(bytes: Uint8Array | string): boolean {
    this.#moved();
    if (this.#gathered.length === 0 && gathering.push(this) === 1) setImmediate(sendGathered);
    this.#gathered.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes >= GATHER_LIMIT) this.send();
    return !this.#full;
  }

  get unsent(): number {
    return this.#bytes + this.#socket.writableLength;
  }

  /** Hands what is gathered to the system. */
  send(): void {
    const gathered = this.#gathered;
    if (gathered.length === 0 || this.#turning !== undefined) return;
    const together = gathered.length > 1 && this.#bytes < gathered.length * LARGE;
    this.#gathered = [];
    this.#bytes = 0;
    const socket = this.#socket;
    if (together) socket.cork();
    let free = true;
    for (const bytes of gathered) free = socket.write(bytes);
    if (together) socket.uncork();
    if (!free) this.#full = true;
  }

  pause(): void {
    pauseAtOnce(this.#socket);
  }

  resume(): void {
    this.#socket.resume();
  }

  setTimeout(milliseconds: number): void {
    clearTimeout(this.#timer);
    const limit = Math.min(milliseconds, DAY);
    this.#timer = limit > 0
      ? setTimeout(() => this.#guarded(() => this.#handler.timeout()), limit)
      : undefined;
  }

  end(): void {
    if (this.#turning !== undefined) return this.destroy();
    this.#isEnding = true;
    this.send();
    this.#socket.end();
  }

  destroy(): void {
    if (this.#turning !== undefined) return this.#turning.abort(new Error("the connection was closed"));
    this.send();
    this.#socket.destroy();
  }
}

/** Wraps a runtime socket; `handlerOf` gives it its handler. */
export function wrapSocket(
  socket: net.Socket,
  handlerOf: (connection: Connection) => ConnectionHandler,
): Connection {
  return new StreamConnection(socket, handlerOf);
}

let reportBug: (error: unknown) => void = (error) => {
  throw error;
};

/** Who hears of a throw inside a connection's handler: our bug, never the peer's. */
export function onConnectionBug(report: (error: unknown) => void): void {
  reportBug = report;
}

/** Where to listen: an inherited descriptor, a TCP endpoint or a unix path. */
export type ListenAt =
  | { readonly fd: number }
  | { readonly host: string; readonly port: number; readonly backlog?: number }
  | { readonly path: string };

/** A listening socket. */
export interface Listener {
  readonly port: number;
  /** Stops accepting; open connections live on. */
  close(): void;
}

/** Starts to accept. At most `maxConnections` at a time; more are dropped by the runtime and reported to `dropped`. */
export function listen(
  at: ListenAt,
  options: { readonly maxConnections: number; readonly dropped?: () => void },
  accept: (connection: Connection) => ConnectionHandler,
): Promise<Listener> {
  const server = netModule().createServer(
    { noDelay: true, allowHalfOpen: true },
    (socket) => void wrapSocket(socket, accept),
  );
  server.maxConnections = options.maxConnections;
  if (options.dropped !== undefined) server.on("drop", options.dropped);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(at, () => {
      server.off("error", reject);
      const address = server.address();
      resolve({
        port: typeof address === "object" && address !== null ? address.port : 0,
        close: () => void server.close(),
      });
    });
  });
}

/** Where to connect to. */
export type ConnectTo =
  | { readonly host: string; readonly port: number; readonly localAddress?: string }
  | { readonly path: string };

/** How to connect. */
export interface ConnectOptions {
  /** Milliseconds for all of it. */
  readonly timeout: number;
  readonly signal?: AbortSignal;
  /** TLS begins at once: nothing of the owner's goes over the connection before. */
  readonly tls?: ClientTls;
}

/** Our side of TLS as a client; its time is part of the time for connecting. */
export type ClientTls = Omit<Extract<TlsSide, { readonly side: "client" }>, "side" | "timeout">;

/** Hears nothing: the connection is not its owner's yet. */
const NOBODY: ConnectionHandler = {
  data: () => {},
  end: () => {},
  drain: () => {},
  timeout: () => {},
  close: () => {},
};

/** Connects; rejects with the system's or the handshake's error, `ETIMEDOUT` when it takes too long, or the signal's reason. */
export async function connect(
  to: ConnectTo,
  options: ConnectOptions,
  handlerOf: (connection: Connection) => ConnectionHandler,
): Promise<Connection> {
  const { tls, signal } = options;
  const began = performance.now();
  const socket = await openSocket(to, options);
  if (tls === undefined) return wrapSocket(socket, handlerOf);
  const connection = wrapSocket(socket, () => NOBODY);
  await abortable(signal, connection, () => {
    const timeout = Math.max(1, options.timeout - (performance.now() - began));
    return connection.startTls({ ...tls, side: "client", timeout });
  });
  connection.setHandler(handlerOf(connection));
  return connection;
}

/** Does something with a connection that the signal destroys meanwhile; rejects with its reason then. */
async function abortable<T>(
  signal: AbortSignal | undefined,
  connection: Connection,
  work: () => Promise<T>,
): Promise<T> {
  const aborted = () => connection.destroy();
  signal?.addEventListener("abort", aborted, { once: true });
  try {
    return await work();
  } catch (error) {
    throw signal?.aborted ? signal.reason : error;
  } finally {
    signal?.removeEventListener("abort", aborted);
  }
}

function openSocket(to: ConnectTo, { timeout, signal }: ConnectOptions): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = netModule().connect({ ...to, noDelay: true, allowHalfOpen: true } as net.NetConnectOpts);
    const fail = (error: unknown) => {
      socket.destroy();
      if (!("host" in to)) return reject(error);
      void trueConnectError(to, error, timeout).then(reject);
    };
    const timer = setTimeout(
      () => fail(Object.assign(new Error("Connection timed out"), { code: "ETIMEDOUT" })),
      Math.min(timeout, DAY),
    );
    const aborted = () => fail(signal?.reason);
    const settle = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
      socket.off("error", fail);
    };
    signal?.addEventListener("abort", aborted, { once: true });
    socket.once("error", (error) => (settle(), fail(error)));
    socket.once("connect", () => {
      settle();
      resolve(socket);
    });
  });
}
