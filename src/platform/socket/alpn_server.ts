import type net from "node:net";
import type tls from "node:tls";
import { tlsModule } from "../late_modules.ts";
import type { TlsContext } from "./tls_context.ts";

/** A server that speaks one protocol of TLS's own, which ends with the handshake (ALPN, RFC 7301). */
export interface AlpnServerOptions {
  /** An inherited listening socket. */
  readonly fd: number;
  readonly protocol: string;
  /** The context for a name (SNI); undefined where there is nothing for it. */
  readonly contextFor: (name: string) => TlsContext | undefined;
  /** Milliseconds for a connection, however it drips. */
  readonly timeout?: number;
}

/** A running one. */
interface Server {
  stop(): void;
}

/** Connections at a time: a newcomer takes the place of the oldest. */
const MOST = 64;
const TIMEOUT = 10_000;

/** Serves handshakes for the protocol: each connection is closed when it is done. Rejects with the system's error. */
export function serveAlpn(
  { fd, protocol, contextFor, timeout = TIMEOUT }: AlpnServerOptions,
): Promise<Server> {
  const open = new Set<net.Socket>();
  const server = tlsModule().createServer({
    ALPNProtocols: [protocol],
    minVersion: "TLSv1.2",
    SNICallback: (name, answer) => {
      const context = contextFor(name)?.context;
      if (context === undefined) answer(new Error("nothing for this name"));
      else answer(null, context as tls.SecureContext);
    },
  }, (socket) => {
    socket.on("error", () => {});
    socket.end();
  });
  server.maxConnections = 2 * MOST;
  server.on("connection", (socket) => {
    open.add(socket);
    const timer = setTimeout(() => socket.destroy(), timeout);
    socket.once("close", () => (clearTimeout(timer), open.delete(socket)));
    const [oldest] = open;
    if (open.size > MOST) oldest?.destroy();
  });
  server.on("tlsClientError", (_, socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(
      { fd },
      () => (server.off("error", reject),
        server.on("error", () => {}),
        resolve({ stop: () => void server.close() })),
    );
  });
}
