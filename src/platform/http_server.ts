/** Answers requests: the fetch standard's types, so that an application needs no server to be tested. */
export type HttpHandler = (request: Request) => Response | Promise<Response>;

/** A running HTTP server. */
export interface HttpServer {
  readonly port: number;
  /** Stops at once. */
  stop(): void;
}

/** Serves HTTP; throws the system's error when the address is taken or not ours. */
export function serveHttp(
  at: { readonly host: string; readonly port: number },
  handler: HttpHandler,
): HttpServer {
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
