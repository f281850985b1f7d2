import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { Connection } from "../../platform/connection.ts";
import { type Features, NO_FEATURES } from "./features.ts";
import { ReplyReader, type ServerReply } from "./reply_reader.ts";

/** The peer of a session. */
export interface Peer {
  /** Name it was found by; for a socket this machine's own. */
  readonly host: string;
  /** IP address, or path of a socket. */
  readonly address: string;
  /** 0 for a socket. */
  readonly port: number;
}

/** `host[address]`, as in `host ... said:`. */
export function peerName({ host, address }: Peer): string {
  return `${host}[${address}]`;
}

/** `host[address]:port`, as in `relay=`. */
export function relayName(peer: Peer): string {
  return peer.port === 0 ? peerName(peer) : `${peerName(peer)}:${peer.port}`;
}

/** How a conversation ended early. */
export type Lost = "lost" | "timeout" | "aborted";

/** What comes back when a reply is waited for. */
export type Heard = ServerReply | Lost;

/** Tells a reply from its absence. */
export function isLost(heard: Heard): heard is Lost {
  return typeof heard === "string";
}

/** One connection to a server, used for one delivery at a time. */
export class Session {
  readonly peer: Peer;
  /** `host[address]`. */
  readonly name: string;
  /** `host[address]:port`. */
  readonly relay: string;
  /** Milliseconds since 1970. */
  readonly connectedAt: number;
  features: Features = NO_FEATURES;
  /** Whether this is a most preferred server of the destination (loop detection). */
  bestMx = false;
  /** The destination had no other address when this one was opened. */
  sole = false;
  /** May serve another delivery. Once false, it stays so. */
  reusable = true;
  /** Deliveries so far, the current one included. */
  uses = 0;
  /** Called when anything happens to a session that nobody uses. */
  whileIdle: (() => void) | undefined;

  readonly #connection: Connection;
  readonly #reader = new ReplyReader();
  readonly #perRequestDeadline: boolean;
  #ended: Lost | undefined;
  #cutShort = false;
  #hear: ((heard: Heard) => void) | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  #limitMs = 0;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  constructor(
    connection: Connection,
    peer: Peer,
    options: { readonly now: number; readonly perRequestDeadline: boolean },
  ) {
    this.#connection = connection;
    this.peer = peer;
    this.name = peerName(peer);
    this.relay = relayName(peer);
    this.connectedAt = options.now;
    this.#perRequestDeadline = options.perRequestDeadline;
  }

  /** Whether the connection is over. */
  get ended(): boolean {
    return this.#ended !== undefined;
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
    if (ready !== undefined) return ready;
    if (this.#ended !== undefined) return this.#ended;
    this.limit(milliseconds);
    return new Promise((resolve) => this.#hear = resolve);
  }

  /** A reply that has come already; none is waited for. */
  earlyReply(): ServerReply | undefined {
    return this.#reader.take();
  }

  /** Time that may pass without a byte moving; with smtp_per_request_deadline, at all. */
  limit(milliseconds: number): void {
    if (this.#perRequestDeadline) {
      clearTimeout(this.#deadline);
      if (milliseconds > 0 && this.#ended === undefined) {
        this.#deadline = setTimeout(() => this.timeout(), Math.min(milliseconds, 86_400_000));
      }
      return;
    }
    if (milliseconds === this.#limitMs) return;
    this.#limitMs = milliseconds;
    this.#connection.setTimeout(milliseconds);
  }

  /** Sends; answers a promise only when the peer does not keep up. It resolves also when the connection ends. */
  write(bytes: Uint8Array | string): MaybeAsync<void> {
    if (this.#ended !== undefined || this.#connection.write(bytes)) return;
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  /** Gathers the writes until `uncork` into one. */
  cork(): void {
    this.#connection.cork();
  }

  uncork(): void {
    this.#connection.uncork();
  }

  /** Says QUIT and closes, without waiting for the answer (smtp_skip_quit_response). */
  quit(): void {
    if (this.#ended === undefined) this.#connection.write("QUIT\r\n");
    this.close();
  }

  /** Closes, after what has been written. */
  close(): void {
    clearTimeout(this.#deadline);
    this.reusable = false;
    this.whileIdle = undefined;
    if (this.#ended === undefined) {
      this.#ended = "lost";
      // A peer that neither reads nor closes does not keep the descriptor for ever.
      this.#connection.setTimeout(5000);
      this.#connection.end();
    } else this.#connection.destroy();
  }

  /** Ends the conversation now (shutdown). */
  abort(): void {
    this.#end("aborted");
    this.#connection.destroy();
  }

  data(chunk: Buffer): void {
    if (this.#ended !== undefined) return;
    if (!this.#reader.push(chunk)) return this.#overflow();
    if (this.whileIdle !== undefined) return this.whileIdle();
    if (this.#hear === undefined) return;
    const reply = this.#reader.take();
    if (reply !== undefined) this.#tell(reply);
  }

  end(): void {
    this.#end("lost");
    this.#connection.destroy();
  }

  drain(): void {
    const drained = this.#drained;
    this.#drained = undefined;
    drained?.resolve();
  }

  timeout(): void {
    if (this.whileIdle !== undefined) return this.whileIdle();
    this.#end("timeout");
    this.#connection.destroy();
  }

  /** Last call from the connection. */
  closed(): void {
    this.#end("lost");
  }

  #overflow(): void {
    this.#end("lost");
    this.#connection.destroy();
  }

  #end(how: Lost): void {
    clearTimeout(this.#deadline);
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
