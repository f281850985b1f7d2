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
}

/** Connections at a time, and milliseconds for each. */
const MOST = 64;
const TIMEOUT = 10_000;

/** Serves handshakes for the protocol: each connection is closed when it is done. Rejects with the system's error. */
export function serveAlpn({ fd, protocol, contextFor }: AlpnServerOptions): Promise<void> {
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
    socket.setTimeout(TIMEOUT, () => socket.destroy());
  });
  server.maxConnections = MOST;
  server.on("connection", (socket) => void socket.setTimeout(TIMEOUT, () => socket.destroy()));
  server.on("tlsClientError", (_, socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ fd }, () => (server.off("error", reject), server.on("error", () => {}), resolve()));
  });
}
