import fs from "node:fs";
import type net from "node:net";
import { join } from "node:path";
import type tls from "node:tls";
import { GatheredBytes } from "../../base/gathered_bytes.ts";
import { netModule, tlsModule } from "../late_modules.ts";
import { readPlain } from "../file/random_access_file.ts";
import { type Connection, type ConnectionHandler, type ConnectTo, wrapSocket } from "./connection.ts";

/** How a client secures a connection, and what it asks of the server. */
export interface ClientTls {
  /** PEM certificates that may have signed the server's. Never the runtime's own list. */
  readonly ca: string;
  /** Refuse a server whose certificate is not signed by them, is expired, or is for another name. */
  readonly verify: boolean;
  /** The name that the certificate must have, a host name or an address. */
  readonly serverName: string;
  readonly certificate?: string;
  readonly key?: string;
  /** An OpenSSL cipher list. */
  readonly ciphers?: string;
  /**
   * What is said in the clear before TLS begins (STARTTLS); missing where TLS begins at once. `accept` sees all that the server has
   * said so far and tells whether that is the whole answer; it throws when the server does not want, or says more than it should.
   */
  readonly first?: { readonly request: Uint8Array; accept(answer: Buffer): boolean };
}

/** How a connection is made that begins with TLS or turns to it. */
export interface SecureConnectOptions {
  /** Milliseconds for all of it. */
  readonly timeout: number;
  readonly signal?: AbortSignal;
  readonly tls: ClientTls;
}

/**
 * Connects and turns TLS on; nothing of the owner's goes over the connection before that. Rejects with what went wrong,
 * `ETIMEDOUT` when it takes too long, or the signal's reason.
 */
export function connectSecurely(
  to: ConnectTo,
  options: SecureConnectOptions,
  handlerOf: (connection: Connection) => ConnectionHandler,
): Promise<Connection> {
  const { promise, resolve, reject } = Promise.withResolvers<Connection>();
  const socket = netModule().connect({ ...to, noDelay: true } as net.NetConnectOpts);
  let current: net.Socket = socket;
  const settle = () => {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", aborted);
  };
  const fail = (error: unknown) => {
    settle();
    current.destroy();
    socket.destroy();
    reject(error);
  };
  const late = () => fail(Object.assign(new Error("Connection timed out"), { code: "ETIMEDOUT" }));
  const timer = setTimeout(late, options.timeout);
  const aborted = () => fail(options.signal?.reason);
  options.signal?.addEventListener("abort", aborted, { once: true });
  // From here on an error is somebody else's: the listener stays, so that a late one cannot end the process.
  socket.on("error", fail);
  socket.once("close", () => fail(new Error("the server has closed the connection")));
  const secure = () => {
    try {
      current = tlsModule().connect({ socket, ...secureOptions(options.tls) });
    } catch (error) {
      return fail(error);
    }
    current.on("error", fail);
    current.once("secureConnect", () => {
      settle();
      socket.removeAllListeners("close");
      resolve(wrapSocket(current, handlerOf));
    });
  };
  socket.once("connect", () => {
    const { first } = options.tls;
    if (first === undefined) secure();
    else inTheClear(socket, first, secure, fail);
  });
  return promise;
}

function secureOptions(
  { ca, verify, serverName, certificate, key, ciphers }: ClientTls,
): tls.ConnectionOptions {
  const isName = netModule().isIP(serverName) === 0;
  return {
    ca,
    rejectUnauthorized: verify,
    ...(isName && { servername: serverName }),
    checkServerIdentity: (_, peer) => verify ? tlsModule().checkServerIdentity(serverName, peer) : undefined,
    ...(certificate !== undefined && { cert: certificate }),
    ...(key !== undefined && { key }),
    ...(ciphers !== undefined && { ciphers }),
  };
}

/** Longest answer in the clear. */
const ANSWER_LIMIT = 16_384;

function inTheClear(
  socket: net.Socket,
  { request, accept }: NonNullable<ClientTls["first"]>,
  secure: () => void,
  fail: (error: unknown) => void,
): void {
  const gathered = new GatheredBytes();
  const arrived = (chunk: Buffer) => {
    gathered.add(chunk);
    try {
      if (gathered.length > ANSWER_LIMIT) throw new Error("the server's answer is too long");
      if (!accept(gathered.bytes)) return;
    } catch (error) {
      return fail(error);
    }
    socket.off("data", arrived);
    secure();
  };
  socket.on("data", arrived);
  socket.write(request);
}

/** Whether an OpenSSL cipher list names anything that is known here; a text says what is wrong. */
export function cipherListProblem(ciphers: string): string | undefined {
  try {
    tlsModule().createSecureContext({ ciphers });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Where Debian, Fedora, Alpine and SUSE keep the certificates of the authorities that the system trusts. */
const SYSTEM_CA_FILES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/cert.pem",
  "/etc/ssl/ca-bundle.pem",
];
const CERTIFICATES_IN_A_FOLDER = 2000;
/** Bytes of a file with certificates or a key. */
export const LARGEST_PEM = 4 << 20;

/** PEM text of the authorities in a folder whose files are named by hash (`9d66eef0.0`, c_rehash(1)). Throws the system's error. */
export function caFolder(folder: string): string {
  const names = fs.readdirSync(folder).filter((name) => /^[0-9a-f]{8}\.[0-9]+$/.test(name)).sort();
  return names.slice(0, CERTIFICATES_IN_A_FOLDER)
    .map((name) => readPlain(join(folder, name), LARGEST_PEM).toString()).join("\n");
}

/** PEM text of the authorities that the system trusts; "" when there are none. */
export function systemCa(): string {
  const file = SYSTEM_CA_FILES.find((name) => fs.existsSync(name));
  return file === undefined ? "" : fs.readFileSync(file, "utf8");
}
