import type { Clock } from "../../base/clock.ts";
import { LineReader } from "../../base/line_reader.ts";
import type { Connection, ConnectionHandler, ConnectTo } from "../../platform/socket/connection.ts";
import type { Connect } from "../../platform/socket/connection_pool.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import type { OfferedMechanism } from "../auth_backend.ts";
import { MAJOR, printCancel, printHandshake, readServerLine, type ServerReply } from "./auth_protocol.ts";

/** The world that a connection needs. */
export interface DovecotWorld {
  readonly connect: Connect;
  readonly clock: Clock;
  /** A number that no other client of the socket has. */
  readonly clientNumber: () => number;
}

/** There is nobody at the socket, or it is no Dovecot; the message is for the log. */
export class DovecotFault extends Error {
  override readonly name = "DovecotFault";
}

/** Longest that the connection and the handshake may take, in milliseconds (Postfix's limit). */
const HANDSHAKE_TIME = 10_000;
/** Longest that a reply may take: Dovecot delays those to addresses that guess by up to 17 seconds (auth_penalty). */
const REPLY_TIME = 30_000;
/** Longest line of Dovecot's, far more than a reply with all its fields has. */
const LONGEST_LINE = 65_536;
/** Dovecot ends the connection, and the logins of all others with it, where a line is longer than 16384. */
export const LONGEST_REQUEST = 16_000;
const MOST_MECHANISMS = 100;

/** An answer, or why there is none. */
export type Answer = ServerReply | { readonly is: "lost" } | { readonly is: "late" };

interface Pending {
  readonly since: number;
  answer(answer: Answer): void;
}

/** A connection to Dovecot's auth socket that all exchanges of a worker share, told apart by their numbers. */
export class DovecotConnection implements ConnectionHandler {
  readonly mechanisms: OfferedMechanism[] = [];
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #lines = new LineReader(LONGEST_LINE);
  readonly #pending = new Map<number, Pending>();
  readonly #ready = Promise.withResolvers<void>();
  #isReady = false;
  #isOpen = true;
  #last = 0;
  #heardAt = 0;

  private constructor(connection: Connection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  /** Connects and shakes hands. Rejects with a DovecotFault. */
  static async open(name: string, to: ConnectTo, world: DovecotWorld): Promise<DovecotConnection> {
    let opened: DovecotConnection | undefined;
    try {
      await world.connect(
        to,
        { timeout: HANDSHAKE_TIME },
        (connection) => opened = new DovecotConnection(connection, world.clock),
      );
    } catch (error) {
      const why = `SASL: Connect to Dovecot auth socket '${name}' failed: ${systemErrorText(error)}`;
      throw new DovecotFault(why, { cause: error });
    }
    await opened!.#shakeHands(world.clientNumber());
    return opened!;
  }

  async #shakeHands(client: number): Promise<void> {
    const late = () => this.#fail("SASL: Dovecot's auth socket is silent");
    const cancel = this.#clock.after(HANDSHAKE_TIME, late);
    this.#connection.write(printHandshake(client));
    try {
      await this.#ready.promise;
    } finally {
      cancel();
    }
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** A number for a new exchange. */
  nextId(): number {
    this.#last = this.#last % 0x7fff_ffff + 1;
    return this.#last;
  }

  /** Sends a request of an exchange; one at a time for each. Never rejects. */
  ask(id: number, request: string): Promise<Answer> {
    if (!this.#isOpen) return Promise.resolve({ is: "lost" });
    return new Promise((resolve) => {
      const since = this.#clock.now();
      const cancel = this.#clock.after(REPLY_TIME, () => this.#late(id));
      this.#pending.set(id, {
        since,
        answer: (answer) => {
          cancel();
          this.#pending.delete(id);
          resolve(answer);
        },
      });
      this.#connection.write(request);
    });
  }

  /** Gives up an exchange. */
  cancel(id: number): void {
    this.#pending.get(id)?.answer({ is: "lost" });
    if (this.#isOpen) this.#connection.write(printCancel(id));
  }

  /** Where nothing at all has come meanwhile, nobody is there any more. */
  #late(id: number): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    pending.answer({ is: "late" });
    if (this.#heardAt < pending.since) this.close(undefined);
    else this.cancel(id);
  }

  destroy(): void {
    this.close(undefined);
  }

  data(chunk: Buffer): void {
    this.#heardAt = this.#clock.now();
    if (!this.#lines.push(chunk, (line) => this.#take(line))) this.#fail("SASL: Protocol error");
  }

  end(): void {
    this.close(undefined);
  }

  drain(): void {}

  timeout(): void {}

  close(_error: NodeJS.ErrnoException | undefined): void {
    this.#fail("SASL: Connection to Dovecot auth socket lost during the handshake");
  }

  #take(line: string): void {
    const read = readServerLine(line);
    switch (read.is) {
      case "version":
        if (read.major !== MAJOR) {
          this.#fail(`SASL: Protocol version mismatch (${read.major} vs. ${MAJOR})`);
        }
        break;
      case "mechanism":
        if (!this.#isReady && this.mechanisms.length < MOST_MECHANISMS) this.mechanisms.push(read.mechanism);
        break;
      case "serverId":
        if (this.mechanisms.length === 0) {
          this.#fail("SASL: Connected to wrong auth socket (auth-master instead of auth-client)");
        }
        break;
      case "done":
        this.#isReady = true;
        this.#ready.resolve();
        break;
      case "reply":
        this.#pending.get(read.id)?.answer(read.reply);
        break;
      case "other":
        break;
    }
  }

  /** Ends the connection; before the end of the handshake the reason is told. */
  #fail(why: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#connection.destroy();
    this.#ready.reject(new DovecotFault(why));
    for (const pending of [...this.#pending.values()]) pending.answer({ is: "lost" });
  }
}
