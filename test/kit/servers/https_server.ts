// A small HTTPS server for tests: a certificate and an answer for each host name, on one loopback address.
import net from "node:net";
import tls from "node:tls";
import type { SelfSigned } from "../memory/self_signed.ts";

/** What is served for one name. */
export interface HttpsHost {
  readonly own: SelfSigned;
  readonly status?: number;
  readonly type?: string;
  readonly body?: string;
}

/** A request that came. */
export interface HeardRequest {
  readonly host: string;
  readonly method: string;
  readonly path: string;
  readonly type: string | undefined;
  readonly body: Buffer;
}

export interface HttpsServer {
  readonly port: number;
  readonly heard: HeardRequest[];
  /** Names that were asked for in handshakes, whether they came to a request or not. */
  readonly names: string[];
  set(host: string, what: HttpsHost): void;
  close(): Promise<void>;
}

/** Starts it; `port` 0 for a free one. The runtime's own server shows one certificate whatever name is asked for. */
export function startHttpsServer(
  host: string,
  port: number,
  hosts: Readonly<Record<string, HttpsHost>>,
): Promise<HttpsServer> {
  const all = new Map(Object.entries(hosts));
  const [heard, names]: [HeardRequest[], string[]] = [[], []];
  const sockets = new Set<net.Socket>();
  const contextOf = ({ own }: HttpsHost) => tls.createSecureContext({ cert: own.certificate, key: own.key });
  const server = net.createServer((plain) => {
    sockets.add(plain);
    plain.on("error", () => {}).on("close", () => sockets.delete(plain));
    const socket = new tls.TLSSocket(plain, {
      isServer: true,
      secureContext: contextOf(all.values().next().value!),
      SNICallback: (name, done) => {
        names.push(name);
        const known = all.get(name);
        done(null, known && contextOf(known));
      },
    });
    socket.on("error", () => {});
    let bytes = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const request = requestIn(bytes);
      if (request === undefined) return;
      heard.push(request);
      socket.end(answer(all.get(request.host)));
    });
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve({
        port: typeof address === "object" && address !== null ? address.port : 0,
        heard,
        names,
        set: (name, what) => void all.set(name, what),
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            for (const socket of sockets) socket.destroy();
          }),
      });
    });
  });
}

/** A request, once it is whole. */
function requestIn(bytes: Buffer): HeardRequest | undefined {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return undefined;
  const [first = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n");
  const fields = new Map(lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  }));
  const body = bytes.subarray(end + 4);
  if (body.length < Number(fields.get("content-length") ?? 0)) return undefined;
  const [method = "", path = ""] = first.split(" ");
  const host = (fields.get("host") ?? "").replace(/:\d+$/, "");
  return { host, method, path, type: fields.get("content-type"), body };
}

function answer(what: HttpsHost | undefined): string {
  const { status = 200, type = "text/plain", body = "" } = what ?? { status: 404 };
  return `HTTP/1.1 ${status} x\r\nContent-Type: ${type}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}
