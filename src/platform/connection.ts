import net from "node:net";

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
  /** Queues bytes; false asks to wait for `drain`. Strings are sent as UTF-8. */
  write(bytes: Uint8Array | string): boolean;
  /** Several writes leave as one packet: between cork and uncork they are gathered. */
  cork(): void;
  uncork(): void;
  pause(): void;
  resume(): void;
  /** Idle time limit in milliseconds, 0 = none; clamped to one day. */
  setTimeout(milliseconds: number): void;
  /** Sends what is queued, then closes. */
  end(): void;
  destroy(): void;
  /** The runtime's socket, for TLS inside `platform/`. */
  readonly socket: net.Socket;
}

const DAY = 86_400_000;

/** Text of an address as the mail world writes it: v4-mapped IPv6 becomes IPv4. */
export function canonicalPeer(address: string | undefined): string {
  if (address === undefined) return "";
  return address.startsWith("::ffff:") && address.includes(".") ? address.slice(7) : address;
}

/** Wraps a runtime socket; `bind` gives it its handler. */
export function wrapSocket(
  socket: net.Socket,
  handlerOf: (connection: Connection) => ConnectionHandler,
): Connection {
  const local = { address: canonicalPeer(socket.localAddress), port: socket.localPort ?? 0 };
  const remote = { address: canonicalPeer(socket.remoteAddress), port: socket.remotePort ?? 0 };
  const connection: Connection = {
    local,
    remote,
    socket,
    write: (bytes) => {
      idle.moved();
      return socket.write(bytes);
    },
    cork: () => socket.cork(),
    uncork: () => socket.uncork(),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    setTimeout: (ms) => idle.limit(ms),
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  };
  const idle = new IdleTimer(() => timedOut());
  const handler = handlerOf(connection);
  let failure: NodeJS.ErrnoException | undefined;
  const guarded = <A extends unknown[]>(call: (...args: A) => void) => (...args: A) => {
    try {
      call(...args);
    } catch (error) {
      failure ??= error as NodeJS.ErrnoException;
      socket.destroy();
      reportBug(error);
    }
  };
  const timedOut = guarded(() => handler.timeout());
  socket.on("data", guarded((chunk: Buffer) => (idle.moved(), handler.data(chunk))));
  socket.on("end", guarded(() => handler.end()));
  socket.on("drain", guarded(() => (idle.moved(), handler.drain())));
  socket.on("error", (error) => failure ??= error);
  socket.on("close", guarded(() => (idle.limit(0), handler.close(failure))));
  return connection;
}

/**
 * Calls once when a connection has been idle for its limit. The runtime's own socket time-out stays silent while written
 * bytes wait for a peer that does not read (Bun 1.4.5), which is just when it is needed.
 */
class IdleTimer {
  readonly #call: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(call: () => void) {
    this.#call = call;
  }

  limit(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = milliseconds > 0 ? setTimeout(this.#call, Math.min(milliseconds, DAY)) : undefined;
  }

  moved(): void {
    this.#timer?.refresh();
  }
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
  const server = net.createServer(
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

/** Connects; rejects with the system's error, or `ETIMEDOUT` after `timeout` milliseconds, or the signal's reason. */
export function connect(
  to: ConnectTo,
  options: { readonly timeout: number; readonly signal?: AbortSignal },
  handlerOf: (connection: Connection) => ConnectionHandler,
): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ ...to, noDelay: true, allowHalfOpen: true } as net.NetConnectOpts);
    const fail = (error: unknown) => {
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(
      () => fail(Object.assign(new Error("Connection timed out"), { code: "ETIMEDOUT" })),
      Math.min(options.timeout, DAY),
    );
    const aborted = () => fail(options.signal?.reason);
    const settle = () => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", aborted);
      socket.off("error", fail);
    };
    options.signal?.addEventListener("abort", aborted, { once: true });
    socket.once("error", (error) => (settle(), fail(error)));
    socket.once("connect", () => {
      settle();
      resolve(wrapSocket(socket, handlerOf));
    });
  });
}
