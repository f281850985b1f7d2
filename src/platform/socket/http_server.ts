import type http from "node:http";
import type net from "node:net";
import { isIP } from "node:net";
import { httpModule, netModule } from "../late_modules.ts";
import { type AdmittedConnection, HTTP_DEADLINES, HttpAdmission } from "./http_admission.ts";
import { closeDescriptor, openListeningSocket } from "./inherited_sockets.ts";

/** Answers requests: the fetch standard's types, so that an application needs no server to be tested. */
export type HttpHandler = (request: Request) => Response | Promise<Response>;

/** A running HTTP server. */
export interface HttpServer {
  readonly port: number;
  /** Stops at once. */
  stop(): void;
}

/** Longest head of a request and longest body, in bytes. */
const HEAD_LIMIT = 16 * 1024;
const BODY_LIMIT = 64 * 1024;

/** What is left of the body is not read: the connection is of no use afterwards. */
const TOO_LARGE = () => new Response("", { status: 413, headers: { connection: "close" } });

/** A listener may share a port with whoever listens there under the same uid; a socket that does not share finds them out. */
function refuseTaken(host: string, port: number): void {
  if (port !== 0 && isIP(host) !== 0) closeDescriptor(openListeningSocket({ address: host, port }, 0, false));
}

/**
 * Serves HTTP at an address, or on a listening socket that was inherited; rejects with the system's error when the address is taken or not ours. Connections come through a door of ours: the
 * runtime's own servers take as many as there are descriptors.
 */
export async function serveHttp(
  at: { readonly host: string; readonly port: number } | { readonly fd: number },
  handler: HttpHandler,
  deadlines = HTTP_DEADLINES,
): Promise<HttpServer> {
  if ("host" in at) refuseTaken(at.host, at.port);
  const door = new HttpAdmission(deadlines);
  const visits = new WeakMap<net.Socket, AdmittedConnection>();
  const server = httpModule().createServer({ maxHeaderSize: HEAD_LIMIT }, (request, response) => {
    void answer(request, response, { handler, visit: visits.get(request.socket) });
  });
  server.keepAliveTimeout = deadlines.request;
  server.on("clientError", refuse);
  const front = netModule().createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const visit = door.enter(socket);
    if (visit === undefined) return void socket.destroy();
    visits.set(socket, visit);
    server.emit("connection", socket);
  });
  front.maxConnections = 2 * door.most;
  await new Promise<void>((resolve, reject) => {
    front.once("error", reject);
    front.listen(at, () => (front.off("error", reject), resolve()));
  });
  const address = front.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    stop: () => (front.close(), door.close()),
  };
}

const REFUSALS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
};

/** What is no request. */
function refuse(error: NodeJS.ErrnoException, socket: NodeJS.WritableStream): void {
  const status = REFUSALS[error.code ?? ""] ?? "400 Bad Request";
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

async function answer(
  incoming: http.IncomingMessage,
  outgoing: http.ServerResponse,
  { handler, visit }: { readonly handler: HttpHandler; readonly visit: AdmittedConnection | undefined },
): Promise<void> {
  try {
    const request = await requestOf(incoming);
    visit?.answering();
    await send(
      request === "too large" ? TOO_LARGE() : await handler(request),
      outgoing,
    );
    visit?.waiting();
  } catch {
    outgoing.destroy(); // the peer has gone, or has sent what makes no request
  }
}

async function requestOf(incoming: http.IncomingMessage): Promise<Request | "too large"> {
  const body: Buffer[] = [];
  let length = 0;
  for await (const chunk of incoming) {
    length += chunk.length;
    if (length > BODY_LIMIT) return "too large";
    body.push(chunk);
  }
  const { method = "GET", url = "/" } = incoming;
  const headers = new Headers();
  for (const [name, value] of Object.entries(incoming.headers)) {
    headers.set(name, Array.isArray(value) ? value.join(", ") : value ?? "");
  }
  const hasBody = method !== "GET" && method !== "HEAD";
  return new Request(new URL(url, "http://localhost"), {
    method,
    headers,
    ...(hasBody && { body: Buffer.concat(body) }),
  });
}

/** Sends a response as fast as the peer reads. */
async function send(response: Response, outgoing: http.ServerResponse): Promise<void> {
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  for await (const chunk of response.body ?? []) {
    if (outgoing.destroyed) throw new Error("the peer has gone");
    if (outgoing.write(chunk)) continue;
    await drained(outgoing);
  }
  await new Promise<void>((resolve) => outgoing.once("close", resolve).end(resolve));
}

function drained(outgoing: http.ServerResponse): Promise<void> {
  return new Promise<void>((resolve) => {
    const over = () => {
      outgoing.off("drain", over).off("close", over);
      resolve();
    };
    outgoing.on("drain", over).on("close", over);
  });
}
