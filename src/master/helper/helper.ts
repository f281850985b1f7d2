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
import { parentChannel } from "../../platform/socket/child.ts";
import { ownIds } from "../../platform/process/users.ts";
import { readJson } from "../../base/bounded_json.ts";
import { count, Misfit, oneOf, record, type Shape } from "../../base/shape.ts";
import { FIRST_INHERITED } from "../../platform/socket/child.ts";
import { printLine, taskLine, TaskReader } from "./helper_protocol.ts";

/** What a helper is told by master. */
export interface HelperBoot {
  readonly is: "helper";
  /** The only user that may give it tasks: mail_owner. */
  readonly client: number;
  /** It ends after so many milliseconds without work. */
  readonly idle: number;
}

const helperBoot: Shape<HelperBoot> = record<HelperBoot>({ is: oneOf("helper"), client: count, idle: count });

/** What a helper tells master: a bug of its own. */
export interface HelperBug {
  readonly is: "bug";
  readonly what: string;
}

/** Longest message of a helper to master, in bytes, and how many of them are written down. */
export const LONGEST_OF_HELPER = 16 * 1024;
export const MOST_BUGS = 10;

/** The descriptor of a helper's listening socket. */
const SOCKET_DESCRIPTOR = FIRST_INHERITED;
/** A worker that has connected says by then what is to be done, in milliseconds, and goes on sending a message. */
const TASK_DEADLINE = 10_000;
const STALL = 300_000;
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
  const report = (error: unknown) => {
    const what = String(error instanceof Error ? error.stack : error).slice(0, LONGEST_OF_HELPER / 4);
    channel.send(JSON.stringify({ is: "bug", what } satisfies HelperBug));
  };
  onUncaught(report);
  onConnectionBug(report);
  channel.onClose(() => resolve(0));
  channel.onMessage((line) => {
    const boot = readJson(line, helperBoot);
    if (boot instanceof Misfit) report(new Error(`message of master: ${boot}`));
    else void serve(boot, resolve).catch((error) => (report(error), resolve(1)));
  });
  const code = await promise;
  await channel.finish();
  return code;
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
  readonly #cancelDeadline: () => void;

  constructor(connection: Connection, writer: MailWriter | undefined, over: () => void) {
    this.#connection = connection;
    this.#writer = writer;
    this.#over = over;
    if (writer === undefined) connection.destroy();
    this.#cancelDeadline = systemClock.after(TASK_DEADLINE, () => connection.destroy());
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
    this.#cancelDeadline();
    try {
      const given = readJson(line, taskLine);
      if (given instanceof Misfit) throw new Error(`malformed task: ${given}`);
      if (this.#writer === undefined) throw new Error("a stranger's task");
      const result = await this.#writer.deliverTo(ownIds(), given.task, () => this.#message());
      this.#connection.write(printLine({ result }));
    } catch (error) {
      this.#connection.write(printLine({ bug: error instanceof Error ? error.message : String(error) }));
    }
    this.#connection.end();
  }

  /** Asks for the message and yields it. */
  async *#message(): AsyncGenerator<Uint8Array> {
    this.#connection.setTimeout(STALL);
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
      if (frame.length === 0) return this.#connection.setTimeout(0);
      yield frame;
    }
  }

  end(): void {
    this.#broken = true;
    this.#wake?.();
  }

  drain(): void {}

  timeout(): void {
    this.#connection.destroy();
  }

  close(): void {
    this.#cancelDeadline();
    this.end();
    this.#over();
  }
}
