import type { Clock } from "../base/clock.ts";
import { type MaybeAsync } from "../base/maybe_async.ts";
import type {
  connect as openConnection,
  Connection,
  ConnectionHandler,
  ConnectTo,
} from "../platform/socket/connection.ts";
import { type BadPacket, type Packet, PacketReader } from "./packet_reader.ts";

/** What a channel needs of the world. */
export interface ChannelWorld {
  readonly connect: typeof openConnection;
  readonly clock: Pick<Clock, "after">;
}

/** Bytes that may wait while nobody reads: then the filter is not heard either. */
const MOST_WAITING = 131_072;

/** How long a filter may take to close its end after ours. */
const LINGER = 5_000;

const timedOut = () => Object.assign(new Error("Connection timed out"), { code: "ETIMEDOUT" });

/** The filter has closed its end. */
export class HungUp extends Error {
  override readonly name = "HungUp";
  constructor() {
    super("Application error");
  }
}

/** A connection to a filter: packets go out, packets come in, each within a time limit. */
export class Channel implements ConnectionHandler {
  readonly #clock: ChannelWorld["clock"];
  readonly #reader = new PacketReader();
  #connection: Connection | undefined;
  #paused = false;
  #waiting = 0;
  /** Why nothing more comes. */
  #over: Error | undefined;
  #reading: { resolve(packet: Packet | BadPacket): void; reject(why: Error): void } | undefined;
  #draining: (() => void) | undefined;

  private constructor(clock: ChannelWorld["clock"]) {
    this.#clock = clock;
  }

  /** Connects; rejects with the system's error. */
  static async open(to: ConnectTo, timeout: number, { connect, clock }: ChannelWorld): Promise<Channel> {
    const channel = new Channel(clock);
    await connect(to, { timeout }, (connection) => {
      channel.#connection = connection;
      return channel;
    });
    return channel;
  }

  /** Sends packets. A promise while the filter does not keep up. */
  write(timeout: number, ...packets: readonly Uint8Array[]): MaybeAsync<void> {
    if (this.#over !== undefined || this.#connection === undefined) return;
    let keepsUp = true;
    for (const packet of packets) keepsUp = this.#connection.write(packet);
    if (!keepsUp) return this.#drained(timeout);
  }

  #drained(timeout: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(timeout, () => this.#end(timedOut()));
      this.#draining = () => {
        cancel();
        this.#draining = undefined;
        resolve();
      };
    });
  }

  /** The next packet; rejects with what ended the connection, or when there is none in time. */
  read(timeout: number): MaybeAsync<Packet | BadPacket> {
    const packet = this.#reader.next();
    if (packet !== undefined) {
      this.#goOn();
      return packet;
    }
    if (this.#over !== undefined) return Promise.reject(this.#over);
    this.#goOn();
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(timeout, () => this.#end(timedOut()));
      const settle = <T>(done: (value: T) => void) => (value: T) => {
        cancel();
        this.#reading = undefined;
        done(value);
      };
      this.#reading = { resolve: settle(resolve), reject: settle(reject) };
    });
  }

  #goOn(): void {
    this.#waiting = 0;
    if (!this.#paused) return;
    this.#paused = false;
    this.#connection?.resume();
  }

  /** Everything written leaves, and the connection is closed. */
  finish(): void {
    this.#over ??= new HungUp();
    this.#connection?.setTimeout(LINGER);
    this.#connection?.end();
  }

  /** The connection is of no use any more. */
  destroy(): void {
    this.#end(new HungUp());
  }

  #end(why: Error): void {
    this.#over ??= why;
    this.#connection?.destroy();
    this.#reading?.reject(this.#over);
    this.#draining?.();
  }

  data(chunk: Buffer): void {
    this.#reader.add(chunk);
    const packet = this.#reading === undefined ? undefined : this.#reader.next();
    if (packet !== undefined) return this.#reading?.resolve(packet);
    this.#waiting += chunk.length;
    if (this.#reading !== undefined || this.#waiting < MOST_WAITING || this.#paused) return;
    this.#paused = true;
    this.#connection?.pause();
  }

  drain(): void {
    this.#draining?.();
  }

  timeout(): void {
    this.#connection?.destroy();
  }

  /** What has come already still counts. */
  end(): void {
    this.#over ??= new HungUp();
    this.#reading?.reject(this.#over);
  }

  close(error: NodeJS.ErrnoException | undefined): void {
    this.#end(error ?? new HungUp());
  }
}
