import { createOwnWriter } from "../../delivery/mailbox/own_writer.ts";
import type { MailWriter } from "../../delivery/mailbox/writer.ts";
import { systemClock } from "../../base/clock.ts";
import {
  type Connection,
  type ConnectionHandler,
  listen,
  onConnectionBug,
} from "../../platform/socket/connection.ts";
import { peerCredentials } from "../../platform/socket/peer_credentials.ts";
import { onSignal, onUncaught } from "../../platform/process/signals.ts";
import { parentChannel } from "../../platform/process/spawn.ts";
import { ownIds } from "../../platform/process/users.ts";
import { printLine, type TaskLine, TaskReader } from "./helper_protocol.ts";

/** What a helper is told by master. */
export interface HelperBoot {
  readonly is: "helper";
  /** The only user that may give it tasks: mail_owner. */
  readonly client: number;
  /** It ends after so many milliseconds without work. */
  readonly idle: number;
}

/** The descriptor of a helper's listening socket. */
const SOCKET_DESCRIPTOR = 3;
/** Deliveries at a time. */
const MOST_TASKS = 200;
/** Bytes of a message that wait for the disk or the command. */
const WAITING_BYTES = 1024 * 1024;

/** A process started as `--helper`, with somebody's identity: does that user's deliveries until it is idle (local(8), pipe(8)). */
export async function runHelper(): Promise<number> {
  const channel = parentChannel();
  if (channel === undefined) return 1;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) onSignal(name, () => {});
  const { promise, resolve } = Promise.withResolvers<number>();
  const report = (error: unknown) =>
    channel.send({ is: "bug", what: String(error instanceof Error ? error.stack : error) });
  onUncaught(report);
  onConnectionBug(report);
  channel.onClose(() => resolve(0));
  channel.onMessage((message) => {
    const boot = message as HelperBoot;
    if (boot.is === "helper") void serve(boot, resolve).catch((error) => (report(error), resolve(1)));
  });
  return await promise;
}

async function serve(boot: HelperBoot, end: (code: number) => void): Promise<void> {
  const writer = createOwnWriter(ownIds());
  let tasks = 0;
  let cancel = systemClock.after(boot.idle, () => end(0));
  const over = () => {
    if (--tasks === 0) cancel = systemClock.after(boot.idle, () => end(0));
  };
  await listen({ fd: SOCKET_DESCRIPTOR }, { maxConnections: MOST_TASKS }, (connection) => {
    cancel();
    tasks++;
    return new HelperSession(
      connection,
      peerCredentials(connection)?.uid === boot.client ? writer : undefined,
      over,
    );
  });
}

/** One task of a worker; without a writer the peer is a stranger and is cut off. */
export class HelperSession implements ConnectionHandler {
  readonly #connection: Connection;
  readonly #writer: MailWriter | undefined;
  readonly #over: () => void;
  readonly #reader = new TaskReader();
  #frames: Buffer[] = [];
  #waiting = 0;
  #wake: (() => void) | undefined;
  #broken = false;

  constructor(connection: Connection, writer: MailWriter | undefined, over: () => void) {
    this.#connection = connection;
    this.#writer = writer;
    this.#over = over;
    if (writer === undefined) connection.destroy();
  }

  data(chunk: Buffer): void {
    for (const event of this.#reader.push(chunk)) {
      if ("breach" in event) return this.#connection.destroy();
      if ("line" in event) void this.#perform(event.line);
      else {
        this.#frames.push(event.frame);
        this.#waiting += event.frame.length;
      }
    }
    if (this.#waiting > WAITING_BYTES) this.#connection.pause();
    this.#wake?.();
  }

  async #perform(line: string): Promise<void> {
    try {
      const { task } = JSON.parse(line) as TaskLine; // our own program wrote it, and only mail_owner may connect
      const result = await this.#writer!.deliverTo(ownIds(), task, () => this.#message());
      this.#connection.write(printLine({ result }));
    } catch (error) {
      this.#connection.write(printLine({ bug: error instanceof Error ? error.message : String(error) }));
    }
    this.#connection.end();
  }

  /** Asks for the message and yields it. */
  async *#message(): AsyncGenerator<Uint8Array> {
    this.#connection.write(printLine({ message: true }));
    while (true) {
      const frame = this.#frames.shift();
      if (frame === undefined) {
        if (this.#broken) throw new Error("the connection to the worker broke");
        await new Promise<void>((resolve) => this.#wake = resolve);
        continue;
      }
      this.#waiting -= frame.length;
      if (this.#waiting <= WAITING_BYTES) this.#connection.resume();
      if (frame.length === 0) return;
      yield frame;
    }
  }

  end(): void {
    this.#broken = true;
    this.#wake?.();
  }

  drain(): void {}
  timeout(): void {}

  close(): void {
    this.end();
    this.#over();
  }
}
