import { isIP } from "node:net";
import { closeDescriptor, openListeningSocket } from "./inherited_sockets.ts";

/** Answers requests: the fetch standard's types, so that an application needs no server to be tested. */
export type HttpHandler = (request: Request) => Response | Promise<Response>;

/** A running HTTP server. */
export interface HttpServer {
  readonly port: number;
  /** Stops at once. */
  stop(): void;
}

/** Bun.serve shares a port with whoever listens there under the same uid; a socket that does not share finds them out. */
function refuseTaken(host: string, port: number): void {
  if (port !== 0 && isIP(host) !== 0) closeDescriptor(openListeningSocket({ address: host, port }, 0, false));
}

/** Serves HTTP; throws the system's error when the address is taken or not ours. */
export function serveHttp(
  at: { readonly host: string; readonly port: number },
  handler: HttpHandler,
): HttpServer {
  refuseTaken(at.host, at.port);
  const server = Bun.serve({
    hostname: at.host,
    port: at.port,
    idleTimeout: 10,
    maxRequestBodySize: 64 * 1024,
    development: false,
    fetch: handler,
  });
  return { port: server.port ?? at.port, stop: () => void server.stop(true) };
}
