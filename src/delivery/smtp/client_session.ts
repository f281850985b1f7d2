import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { ClientTls, Connection, ConnectionHandler } from "../../platform/socket/connection.ts";
import type { TlsFacts } from "../../platform/socket/start_tls.ts";
import { type Features, NO_FEATURES } from "../../smtp/server_features.ts";
import { type Peer, peerName, relayName } from "./peer.ts";
import { type ReplyLimits, ReplyReader, type ServerReply } from "../../smtp/reply_reader.ts";
import type { Transcript } from "../../smtp/transcript.ts";
import { spoilsSession } from "./failure.ts";
import type { SessionKey } from "./session_key.ts";
import type { FeatureStatus } from "./tls/feature_status.ts";
import type { SessionTls } from "./session_tls.ts";

/** How a conversation ended early. */
export type Lost = "lost" | "timeout" | "aborted";

/** What comes back when a reply is waited for. */
export type Heard = ServerReply | Lost;

/** Tells a reply from its absence. */
export function isLost(heard: Heard): heard is Lost {
  return typeof heard === "string";
}

const DAY = 86_400_000;
/** How many times its limit a step may take when bytes keep moving. */
const TIME_LIMIT = 10;
/** How long a closed connection may take to send what is left. */
const LINGER = 5000;

/** One connection to a server, used for one delivery at a time. */
export class Session {
  readonly key: SessionKey;
  /** `host[address]`. */
  readonly name: string;
  /** `host[address]:port`. */
  readonly relay: string;
  /** Milliseconds since 1970. */
  readonly connectedAt: number;
  features: Features = NO_FEATURES;
  /** What has become of TLS, where the delivery line tells of it. */
  tlsStatus: FeatureStatus | undefined;
  /** The greeting said ESMTP. */
  announcesEsmtp = false;
  /** What the handshake came to; undefined in the clear, and before it is judged. */
  tls: SessionTls | undefined;
  /** A firewall in between knows EHLO badly (smtp_pix_workarounds). */
  avoidsEsmtp = false;
  /** Milliseconds to wait before the end of data, so that it comes in a packet of its own. */
  endOfDataDelay = 0;
  /** The server has let us log in. */
  loggedIn = false;
  /** Whether this is a most preferred server of the destination (loop detection). */
  bestMx = false;
  /** The destination had no other address when this one was opened. */
  sole = false;
  /** May serve another delivery. Once false, it stays so. */
  reusable = true;
  /** The end of data is on its way: whether the message was taken is for the server to say. */
  endOfDataSent = false;
  /** What is said in this delivery; undefined where no postmaster wants to see it (notify_classes). */
  transcript: Transcript | undefined;
  /** Deliveries so far, the current one included. */
  uses = 0;
  /** Called when anything happens to a session that nobody uses. */
  whileIdle: (() => void) | undefined;

  readonly #connection: Connection;
  #reader: ReplyReader;
  readonly #limits: ReplyLimits | undefined;
  readonly #perRequestDeadline: boolean;
  readonly #quitPatience: number;
  #ended: Lost | undefined;
  #cutShort = false;
  #closing = false;
  #isQuitting = false;
  #silent: (() => void) | undefined;
  #hear: ((heard: Heard) => void) | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #limitMs = 0;
  #limitEnds = 0;

  constructor(
    connection: Connection,
    key: SessionKey,
    options: {
      readonly now: number;
      readonly perRequestDeadline: boolean;
      /** How long QUIT's answer is waited for, in milliseconds; 0 = not at all. */
      readonly quitPatience: number;
      readonly replies?: ReplyLimits;
    },
  ) {
    this.#connection = connection;
    this.key = key;
    this.name = peerName(key.peer);
    this.relay = relayName(key.peer);
    this.connectedAt = options.now;
    this.#perRequestDeadline = options.perRequestDeadline;
    this.#quitPatience = options.quitPatience;
    this.#limits = options.replies;
    this.#reader = new ReplyReader(options.replies);
  }

  get peer(): Peer {
    return this.key.peer;
  }

  /** Our end of the connection; "" for sockets of this machine. */
  get localAddress(): string {
    return this.#connection.local.address;
  }

  /** Mail goes on under REQUIRETLS: the sender asks for it, and the server has said behind STARTTLS that it will (RFC 8689 §3). */
  get promisesTls(): boolean {
    return this.key.requireTls !== "disable" && this.tls !== undefined && this.features.requireTls;
  }

  /** Whether the connection is over. */
  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** All that was written has left, and nothing of it is looked at any more. */
  get isFlushed(): boolean {
    return this.#ended === undefined && this.#connection.unsent === 0;
  }

  /** Whether the connection ended before all that was written had left. */
  get cutShort(): boolean {
    return this.#cutShort;
  }

  /** Bytes from the server that nobody asked for: it must not be spoken to again. */
  get hasInput(): boolean {
    return this.#reader.hasInput;
  }

  /** The next reply, at once when it has come already. */
  reply(milliseconds: number): MaybeAsync<Heard> {
    const ready = this.#reader.take();
    if (ready !== undefined) return this.#noted(ready);
    if (this.#ended !== undefined) return this.#ended;
    this.limit(milliseconds);
    return new Promise((resolve) => this.#hear = resolve);
  }

  /** A reply that has come already; none is waited for. */
  earlyReply(): ServerReply | undefined {
    const reply = this.#reader.take();
    return reply === undefined ? undefined : this.#noted(reply);
  }

  #noted(reply: ServerReply): ServerReply {
    this.transcript?.add(reply);
    if (reply.garbage) this.transcript?.note("protocol");
    return reply;
  }

  /** A refusal: after one that says that we are out of step the connection is not used again. */
  refused(reply: ServerReply): void {
    if (!spoilsSession(reply)) return;
    this.reusable = false;
    this.transcript?.note("protocol");
  }

  /** Sends commands together. */
  commands(lines: readonly string[]): MaybeAsync<void> {
    if (this.transcript !== undefined) { for (const line of lines) this.transcript.add(line.trimEnd()); }
    return this.write(lines.join(""));
  }

  /** Sends a command, its line end included. `shown` is what a transcript may have of it. */
  command(line: string, shown = line): MaybeAsync<void> {
    this.transcript?.add(shown.trimEnd());
    return this.write(line);
  }

  /**
   * Time that may pass without a byte moving; with smtp_per_request_deadline, at all. `patience` is what all may take while
   * bytes keep moving. A timer of our own: the runtime's
   * socket time-out does not run while written bytes wait for the peer.
   */
  limit(milliseconds: number, timeLimit = TIME_LIMIT * milliseconds): void {
    this.#limitEnds = performance.now() + timeLimit;
    if (milliseconds === this.#limitMs && this.#timer !== undefined) {
      this.#timer.refresh();
      return;
    }
    clearTimeout(this.#timer);
    this.#limitMs = milliseconds;
    this.#timer = this.#ended === undefined
      ? setTimeout(() => this.timeout(), Math.min(milliseconds, DAY))
      : undefined;
  }

  /** Bytes have moved. Whoever sends a byte now and then does not hold us for ever. */
  #moved(): void {
    if (this.#perRequestDeadline || this.#timer === undefined) return;
    if (performance.now() < this.#limitEnds) this.#timer.refresh();
  }

  /** Sends; answers a promise only when the peer does not keep up. It resolves also when the connection ends. */
  write(bytes: Uint8Array | string): MaybeAsync<void> {
    if (this.#ended !== undefined || this.#connection.write(bytes)) return;
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  /**
   * Turns to TLS, once the server has agreed. What it has said in the clear behind that is forgotten, and what it can do has to
   * be asked anew (RFC 3207 §4.2). Rejects with what went wrong; the connection is over then.
   */
  async startTls(tls: ClientTls, timeout: number): Promise<TlsFacts> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const facts = await this.#connection.startTls({ ...tls, side: "client", timeout });
    this.#reader = new ReplyReader(this.#limits);
    this.features = NO_FEATURES;
    return facts;
  }

  /** Says QUIT and closes; waits for the answer only when told so (smtp_skip_quit_response). */
  quit(): void {
    this.reusable = false;
    if (this.#ended === undefined) this.transcript?.add("QUIT");
    if (this.#ended !== undefined || this.#quitPatience === 0) {
      if (this.#ended === undefined) this.#connection.write("QUIT\r\n");
      return this.close();
    }
    this.#isQuitting = true;
    this.whileIdle = () => {
      const answer = this.#reader.take();
      if (answer !== undefined) this.#noted(answer);
      this.close();
    };
    this.#connection.write("QUIT\r\n");
    this.limit(this.#quitPatience);
  }

  /** Calls back when nothing more is said: at once, unless the answer to QUIT is waited for. */
  whenSilent(tell: () => void): void {
    if (this.#isQuitting && !this.#closing) this.#silent = tell;
    else tell();
  }

  /** Closes, after what has been written. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#silent?.();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.reusable = false;
    this.whileIdle = undefined;
    if (this.#ended !== undefined) return this.#connection.destroy();
    this.#ended = "lost";
    this.#connection.end();
    // A peer that neither reads nor closes does not keep the descriptor for ever.
    this.#timer = setTimeout(() => this.#connection.destroy(), LINGER);
    this.#timer.unref();
  }

  /** Ends the conversation now (shutdown). */
  abort(): void {
    this.#end("aborted");
    this.#connection.destroy();
  }

  data(chunk: Buffer): void {
    if (this.#ended !== undefined) return;
    if (!this.#reader.push(chunk)) return this.#overflow();
    this.#moved();
    if (this.whileIdle !== undefined) return this.whileIdle();
    if (this.#hear === undefined) return;
    const reply = this.#reader.take();
    if (reply !== undefined) this.#tell(this.#noted(reply));
  }

  end(): void {
    this.#end("lost");
    this.#connection.destroy();
  }

  drain(): void {
    this.#moved();
    const drained = this.#drained;
    this.#drained = undefined;
    drained?.resolve();
  }

  timeout(): void {
    if (this.whileIdle !== undefined) return this.whileIdle();
    this.#end("timeout");
    this.#connection.destroy();
  }

  /** What the connection tells the session. */
  get handler(): ConnectionHandler {
    return {
      data: (chunk) => this.data(chunk),
      end: () => this.end(),
      drain: () => this.drain(),
      timeout: () => this.timeout(),
      close: () => this.#end("lost"),
    };
  }

  #overflow(): void {
    this.#end("lost");
    this.#connection.destroy();
  }

  #end(how: Lost): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.reusable = false;
    if (this.#ended === undefined) {
      this.#ended = how;
      this.#cutShort = this.#drained !== undefined;
    }
    const idle = this.whileIdle;
    this.whileIdle = undefined;
    idle?.();
    if (this.#hear !== undefined) this.#tell(this.#ended);
    this.drain();
  }

  #tell(heard: Heard): void {
    const hear = this.#hear;
    this.#hear = undefined;
    hear?.(heard);
  }
}
