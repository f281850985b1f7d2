import type net from "node:net";
import type tls from "node:tls";
import { GatheredBytes } from "../../base/gathered_bytes.ts";
import type { MaybeAsync } from "../../base/maybe_async.ts";
import { pauseWhenDue } from "../../base/pause_when_due.ts";
import { cryptoModule, netModule, tlsModule } from "../late_modules.ts";
import { type BindingOf, clientBindings, serverBindings } from "./channel_binding.ts";
import { type ClientHello, ClientHelloReader } from "./client_hello.ts";
import { agreedGroup, type HandshakeSignature, otherSignature, serverSignature } from "./handshake_choice.ts";
import { keyKind, type TlsContext } from "./tls_context.ts";

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
  /** The client speaks TLS from the start (RFC 8314): these bytes have come already, and what has come and was not read is its too. */
  readonly early?: Buffer;
}

/** Our side as a server, but for the time that a handshake may take. */
export type ServerTls = Omit<Extract<TlsSide, { readonly side: "server" }>, "timeout">;

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
  /** A server has shown what it has for that name, not its general certificate. */
  readonly named?: boolean;
  /** An earlier session was resumed. */
  readonly reused: boolean;
  readonly peer: PeerCertificate | undefined;
  /** The group that the keys were agreed on in, in TLS 1.3 where it is known: `X25519`, `ECDHE (prime256v1)`. */
  readonly keyExchange?: string | undefined;
  /** What each side signed with, in TLS 1.3 where it is known; nothing in a resumed session. */
  readonly serverSignature?: HandshakeSignature | undefined;
  readonly clientSignature?: HandshakeSignature | undefined;
  /** What logins may be tied to, as long as the connection is there. */
  readonly channelBinding?: BindingOf;
}

/** A socket that has turned. */
export interface TurnedSocket {
  readonly socket: tls.TLSSocket;
  readonly facts: TlsFacts;
}

const DAY = 86_400_000;

/** An engine that has begun its handshake, and how what it will have done is told of. */
interface Begun {
  readonly engine: tls.TLSSocket;
  readonly facts: () => TlsFacts;
}

/**
 * Turns a socket to TLS. Plaintext that has been written leaves first; plaintext that has come and was not read, and whatever comes
 * until the handshake begins, is thrown away (RFC 3207 §4.2), unless TLS is spoken from the start. Rejects, with the socket destroyed, when the handshake fails, takes
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
  const lost = () => stop(lostConnection());
  signal.addEventListener("abort", aborted, { once: true });
  // The listener stays: an error that comes late belongs to nobody, and must not end the process.
  plain.on("error", stop);
  plain.once("close", lost);
  let begun: Begun | undefined;
  try {
    if (!("early" in side)) {
      await Promise.race([whenSent(plain), stopped]);
      dropUnread(plain);
    }
    begun = side.side === "client" ? beginAsClient(plain, side) : await Promise.race([
      beginAsServer(plain, side),
      stopped,
    ]);
    await Promise.race([handshake(begun.engine, side), stopped]);
    return { socket: begun.engine, facts: begun.facts() };
  } catch (error) {
    begun?.engine.destroy();
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
  socket.on("data", ignore).resume();
  await new Promise<void>((resolve) => void socket.write("", () => resolve()));
  socket.off("data", ignore);
}

function ignore(): void {}

/** What was read ahead for a paused reader would go to the TLS engine otherwise, and fail there. */
function dropUnread(socket: net.Socket): void {
  while (socket.read() !== null);
}

function beginAsClient(plain: net.Socket, side: Extract<TlsSide, { readonly side: "client" }>): Begun {
  const engine = tlsModule().connect({ socket: plain, ...clientOptions(side) });
  return {
    engine,
    facts: () => withServerSignature(factsOf(engine, side.serverName, clientBindings(engine))),
  };
}

/**
 * The engine begins when the client's first message is whole: until then a connection costs no more than any other, and the name
 * that is asked for decides which certificate the engine has. Its answer is what costs most of a handshake, and holds the event loop:
 * of many that come at once each takes its turn.
 */
async function beginAsServer(
  plain: net.Socket,
  side: Extract<TlsSide, { readonly side: "server" }>,
): Promise<Begun> {
  const { hello, bytes } = await firstMessage(plain, side.early);
  const name = hello?.serverName;
  const own = name === undefined ? undefined : await side.contextFor?.(name);
  const context = own ?? side.context;
  for (let pause = pauseWhenDue(); pause !== undefined; pause = pauseWhenDue()) await pause;
  if (plain.destroyed) throw lostConnection();
  plain.unshift(bytes);
  const engine = new (tlsModule().TLSSocket)(plain, serverOptions(side, context));
  const bindings = serverBindings(engine, context.keys.length);
  const facts = () => ({ ...factsOf(engine, name, bindings), named: own !== undefined });
  return { engine, facts: () => withChoices(facts(), context, hello) };
}

interface FirstMessage {
  /** Undefined when it is none; the engine will say what is wrong with the bytes. */
  readonly hello: ClientHello | undefined;
  readonly bytes: Buffer;
}

/** Reads the client's first message, and nothing more. */
function firstMessage(plain: net.Socket, early: Buffer | undefined): Promise<FirstMessage> {
  const gathered = new GatheredBytes();
  const reader = new ClientHelloReader();
  return new Promise((resolve, reject) => {
    const data = (chunk: Buffer) => {
      gathered.add(chunk);
      const hello = reader.read(gathered.bytes);
      if (hello === "incomplete") return;
      plain.pause();
      plain.off("data", data).off("end", ended);
      resolve({ hello: hello === "other" ? undefined : hello, bytes: gathered.bytes });
    };
    const ended = () => reject(lostConnection());
    plain.on("data", data).once("end", ended);
    if (early !== undefined) data(early);
    if (plain.listenerCount("data") > 0) plain.resume();
  });
}

function lostConnection(): Error {
  return Object.assign(new Error("lost connection"), { code: "ECONNRESET" });
}

function serverOptions({ askCertificate }: ServerSide, context: TlsContext) {
  return {
    isServer: true,
    secureContext: context,
    requestCert: askCertificate === true,
    rejectUnauthorized: false,
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

function handshake(socket: tls.TLSSocket, side: TlsSide): Promise<void> {
  if (side.side === "client" && side.remember !== undefined) socket.on("session", side.remember);
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.once(side.side === "server" ? "secure" : "secureConnect", () => resolve());
  });
}

function factsOf(
  socket: tls.TLSSocket,
  serverName: string | undefined,
  channelBinding: BindingOf,
): TlsFacts {
  const { name } = socket.getCipher();
  return {
    protocol: socket.getProtocol() ?? "unknown",
    cipher: name,
    bits: cipherBits(name),
    serverName,
    reused: socket.isSessionReused(),
    peer: peerOf(socket),
    channelBinding,
  };
}

/** What both sides have agreed on beside the cipher; before TLS 1.3 the cipher's name says it. */
function withChoices(
  facts: TlsFacts,
  context: TlsContext,
  hello: ClientHello | undefined,
): TlsFacts {
  if (facts.protocol !== "TLSv1.3" || hello === undefined) return facts;
  const keyExchange = agreedGroup(context, hello);
  if (facts.reused) return { ...facts, keyExchange };
  return {
    ...facts,
    keyExchange,
    serverSignature: serverSignature(context, hello),
    clientSignature: signatureOfPeer(facts),
  };
}

/** Who has no certificate signs nothing. */
function signatureOfPeer({ peer }: TlsFacts): HandshakeSignature | undefined {
  const [own] = peer?.chain ?? [];
  const { X509Certificate } = cryptoModule();
  return own && otherSignature(keyKind(new X509Certificate(own).publicKey));
}

/** A client is not told what group was agreed on, nor whether its own certificate was wanted; what the server signed with its key tells. */
function withServerSignature(facts: TlsFacts): TlsFacts {
  if (facts.protocol !== "TLSv1.3" || facts.reused) return facts;
  return { ...facts, serverSignature: signatureOfPeer(facts) };
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
