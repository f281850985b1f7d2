import type net from "node:net";
import type tls from "node:tls";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { netModule, tlsModule } from "../late_modules.ts";
import type { TlsContext } from "./tls_context.ts";

/** Which side of a handshake we are, and what that side brings. */
export type TlsSide = {
  readonly context: TlsContext;
  /** Milliseconds for the whole handshake, whatever trickles in meanwhile. */
  readonly timeout: number;
} & (ServerSide | ClientSide);

interface ServerSide {
  readonly side: "server";
  /** The context for the name that a client asks for (SNI); undefined for the general one. */
  readonly contextFor?: (name: string) => MaybeAsync<TlsContext | undefined>;
  /** Ask for a certificate, which no client need have; whoever wants more looks at the facts. */
  readonly askCertificate?: boolean;
}

interface ClientSide {
  readonly side: "client";
  /** The name that is asked for (SNI); an address is never sent. */
  readonly serverName: string;
  /** Refuse a server whose certificate is not signed as the context wants it, is expired, or is for another name. */
  readonly verify: boolean;
  /** A session of an earlier connection to the same server. */
  readonly session?: Buffer | undefined;
  /** Hears of sessions that may be resumed later. */
  readonly remember?: (session: Buffer) => void;
}

/** A certificate that the other side has shown. */
export interface PeerCertificate {
  /** DER, the side's own first, then its signers as far as they came along. */
  readonly chain: readonly Buffer[];
  /** Why it is not to be trusted, in OpenSSL's words (`CERT_HAS_EXPIRED`); undefined when it is. */
  readonly trouble: string | undefined;
}

/** What a handshake was. */
export interface TlsFacts {
  /** `TLSv1.3`. */
  readonly protocol: string;
  /** OpenSSL's name. */
  readonly cipher: string;
  /** Bits of the cipher's key. */
  readonly bits: number;
  /** The name that the client has asked for. */
  readonly serverName: string | undefined;
  /** An earlier session was resumed. */
  readonly reused: boolean;
  readonly peer: PeerCertificate | undefined;
  /** The group that the keys were agreed on in, in TLS 1.3 where it is known: `X25519`, `ECDHE (prime256v1)`. */
  readonly keyExchange?: string | undefined;
  /** What each side signed with, in TLS 1.3 where it is known; nothing in a resumed session. */
  readonly serverSignature?: HandshakeSignature | undefined;
  readonly clientSignature?: HandshakeSignature | undefined;
}

/** A signature of a handshake. */
export interface HandshakeSignature {
  /** `RSA-PSS`, `ECDSA`, `Ed25519`. */
  readonly method: string;
  /** `2048 bits`, `prime256v1`; undefined where the method says it. */
  readonly key: string | undefined;
  readonly digest: string | undefined;
}

/** A socket that has turned. */
export interface TurnedSocket {
  readonly socket: tls.TLSSocket;
  readonly facts: TlsFacts;
}

const DAY = 86_400_000;

/**
 * Turns a socket to TLS. Plaintext that has been written leaves first; plaintext that has come and was not read, and whatever comes
 * until the handshake begins, is thrown away (RFC 3207 §4.2). Rejects, with the socket destroyed, when the handshake fails, takes
 * too long (`ETIMEDOUT`), or the signal is aborted.
 */
export async function turnToTls(
  plain: net.Socket,
  side: TlsSide,
  signal: AbortSignal,
): Promise<TurnedSocket> {
  const { promise: stopped, reject: stop } = Promise.withResolvers<never>();
  const late = () => stop(Object.assign(new Error("Connection timed out"), { code: "ETIMEDOUT" }));
  const timer = setTimeout(late, Math.min(side.timeout, DAY));
  const aborted = () => stop(signal.reason);
  const lost = () => stop(Object.assign(new Error("lost connection"), { code: "ECONNRESET" }));
  signal.addEventListener("abort", aborted, { once: true });
  // The listener stays: an error that comes late belongs to nobody, and must not end the process.
  plain.on("error", stop);
  plain.once("close", lost);
  let turned: tls.TLSSocket | undefined;
  try {
    await Promise.race([whenSent(plain), stopped]);
    dropUnread(plain);
    turned = begin(plain, side);
    const { socket, facts } = await Promise.race([handshake(turned, side), stopped]);
    return { socket, facts };
  } catch (error) {
    turned?.destroy();
    plain.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", aborted);
    plain.off("close", lost);
  }
}

/** Waits until all that was written is with the system, so that no plaintext comes out behind the first handshake record. */
async function whenSent(socket: net.Socket): Promise<void> {
  socket.on("data", ignore);
  await new Promise<void>((resolve) => void socket.write("", () => resolve()));
  socket.off("data", ignore);
}

function ignore(): void {}

/** What was read ahead for a paused reader would go to the TLS engine otherwise, and fail there. */
function dropUnread(socket: net.Socket): void {
  while (socket.read() !== null);
}

function begin(plain: net.Socket, side: TlsSide): tls.TLSSocket {
  if (side.side === "server") return new (tlsModule().TLSSocket)(plain, serverOptions(side));
  return tlsModule().connect({ socket: plain, ...clientOptions(side) });
}

function serverOptions({ context, contextFor, askCertificate }: ServerSide & Pick<TlsSide, "context">) {
  const chosen = (name: string, answer: (error: Error | null, context?: TlsContext) => void) => {
    try {
      const found = then(contextFor?.(name), (found) => answer(null, found ?? context));
      if (found !== undefined) found.catch(answer);
    } catch (error) {
      answer(error instanceof Error ? error : new Error(String(error)));
    }
  };
  return {
    isServer: true,
    secureContext: context,
    requestCert: askCertificate === true,
    rejectUnauthorized: false,
    ...(contextFor !== undefined && { SNICallback: chosen }),
  };
}

function clientOptions({ context, serverName, verify, session }: ClientSide & Pick<TlsSide, "context">) {
  const isName = netModule().isIP(serverName) === 0;
  return {
    secureContext: context,
    rejectUnauthorized: verify,
    ...(isName && { servername: serverName }),
    ...(session !== undefined && { session }),
    checkServerIdentity: (_: string, peer: tls.PeerCertificate) =>
      verify ? tlsModule().checkServerIdentity(serverName, peer) : undefined,
  };
}

function handshake(socket: tls.TLSSocket, side: TlsSide): Promise<TurnedSocket> {
  if (side.side === "client" && side.remember !== undefined) socket.on("session", side.remember);
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.once(side.side === "server" ? "secure" : "secureConnect", () => {
      resolve({ socket, facts: factsOf(socket, side) });
    });
  });
}

function factsOf(socket: tls.TLSSocket, side: TlsSide): TlsFacts {
  const { name } = socket.getCipher();
  const asked = "servername" in socket && typeof socket.servername === "string"
    ? socket.servername
    : undefined;
  return {
    protocol: socket.getProtocol() ?? "unknown",
    cipher: name,
    bits: cipherBits(name),
    serverName: side.side === "client" ? side.serverName : asked,
    reused: socket.isSessionReused(),
    peer: peerOf(socket),
  };
}

function peerOf(socket: tls.TLSSocket): PeerCertificate | undefined {
  const chain: Buffer[] = [];
  let next: tls.DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  // A root is its own signer.
  while (next?.raw !== undefined && !chain.includes(next.raw)) {
    chain.push(next.raw);
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate;
  }
  if (chain.length === 0) return undefined;
  return { chain, trouble: socket.authorized ? undefined : String(socket.authorizationError) };
}

/** The runtime does not tell; the names of suites do. */
function cipherBits(name: string): number {
  if (/AES_?256|CHACHA20/.test(name)) return 256;
  if (/AES_?128/.test(name)) return 128;
  return /3DES|DES-CBC3/.test(name) ? 168 : 0;
}
