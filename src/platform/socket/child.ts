import { type ChildProcess, spawn } from "node:child_process";
import { fstatSync } from "node:fs";
import type net from "node:net";
import { LineReader } from "../../base/line_reader.ts";
import { netModule } from "../late_modules.ts";
import { type Identity, ownCommand } from "../process/spawn.ts";
import { type Connection, type ConnectionHandler, wrapSocket } from "./connection.ts";

/** Where a child finds the channel to its parent; what it inherits comes behind. */
export const CHANNEL = 3;
/** Where a child finds the first descriptor that it inherits. */
export const FIRST_INHERITED = CHANNEL + 1;

/** What a child process of this program is started with. */
export interface ChildOptions {
  /** Arguments after the program's name. */
  readonly args: readonly string[];
  /** What `ps` shows as its name. */
  readonly shownAs: string;
  readonly identity?: Identity;
  /** Descriptors of ours that the child gets, as FIRST_INHERITED and so on. */
  readonly inherit: readonly number[];
  /** The environment, whole. */
  readonly environment: Readonly<Record<string, string>>;
  /** It has not our standard output and error, but none: what it says there could be taken for ours. */
  readonly silent?: boolean;
  /** Longest message that it may send, in bytes: one that sends more is ended. */
  readonly longestMessage: number;
}

/** What the parent hears of a child. */
export interface ChildHandler {
  /** A message: a line without its end, to be checked like any other that comes from outside. */
  message(line: string): void;
  /** Last call, exactly once, after the last message. `error` when it could not be started, or was ended for what it sent. */
  exit(how: { readonly code: number | null; readonly signal: string | null; readonly error?: Error }): void;
}

/** A running child process of this program. */
export interface Child {
  readonly pid: number | undefined;
  /** Bytes of messages that wait until the child reads. */
  readonly backlog: number;
  /** Sends a message, a line without its end; harmless when the child is gone. */
  send(line: string): void;
  kill(signal: "SIGTERM" | "SIGKILL" | "SIGHUP"): void;
}

/** What a child left in its channel is read for so long after its end, in milliseconds: somebody else may hold it open. */
const LAST_WORDS = 1000;

/** After so many bytes at once others have their turn before more is read. */
const A_LOT = 4096;

/** Starts this program again as a child with a channel for lines both ways. */
export function spawnSelf(options: ChildOptions, handler: ChildHandler): Child {
  const own = ownCommand();
  const output = options.silent === true ? "ignore" : "inherit";
  const child = spawn(own.program, [...own.args, ...options.args], {
    argv0: options.shownAs,
    env: { ...options.environment },
    stdio: ["ignore", output, output, "pipe", ...options.inherit],
    ...options.identity,
  });
  return new ChannelledChild(child, options.longestMessage, handler);
}

/**
 * A child and its channel. Neither can make the other hold more than it wants: a message has a longest, one that the child
 * does not read keeps us from reading what it says, and whatever it says, others have their turn in between.
 */
class ChannelledChild implements Child, ConnectionHandler {
  readonly #child: ChildProcess;
  readonly #handler: ChildHandler;
  readonly #lines: LineReader;
  readonly #longest: number;
  readonly #channel: Connection | undefined;
  #ended: Parameters<ChildHandler["exit"]>[0] | undefined;
  #breach: Error | undefined;
  #closed = false;
  #over = false;
  #resting = false;
  #full = false;
  #backlog = 0;

  constructor(child: ChildProcess, longest: number, handler: ChildHandler) {
    this.#child = child;
    this.#handler = handler;
    this.#longest = longest;
    this.#lines = new LineReader(longest);
    child.on("exit", (code, signal) => this.#exited({ code, signal }));
    child.on("error", (error) => {
      if (child.pid === undefined) this.#exited({ code: null, signal: null, error });
    });
    const pipe = child.stdio[CHANNEL];
    if (pipe === null || pipe === undefined) this.#closed = true;
    else this.#channel = wrapSocket(pipe as net.Socket, () => this); // the runtime's pipes are sockets
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get backlog(): number {
    return this.#backlog;
  }

  send(line: string): void {
    if (this.#over || this.#closed || this.#channel === undefined) return;
    if (this.#channel.write(`${line}\n`)) return;
    this.#backlog += line.length;
    this.#full = true;
    this.#channel.pause();
  }

  kill(signal: "SIGTERM" | "SIGKILL" | "SIGHUP"): void {
    this.#child.kill(signal);
  }

  data(chunk: Buffer): void {
    if (this.#breach !== undefined || this.#over) return;
    if (!this.#lines.push(chunk, (line) => this.#handler.message(line))) return this.#cutOff();
    if (chunk.length >= A_LOT) this.#rest();
  }

  /** Everybody else first: a child that talks without end is read in turns. */
  #rest(): void {
    this.#channel?.pause();
    this.#resting = true;
    setImmediate(() => {
      this.#resting = false;
      this.#goOn();
    });
  }

  #goOn(): void {
    if (!this.#resting && !this.#full && !this.#closed) this.#channel?.resume();
  }

  #cutOff(): void {
    this.#breach = new Error(`sent a message of more than ${this.#longest} bytes`);
    this.#child.kill("SIGKILL");
  }

  drain(): void {
    this.#full = false;
    this.#backlog = 0;
    this.#goOn();
  }

  end(): void {
    this.#channel?.end();
  }

  timeout(): void {}

  close(): void {
    this.#closed = true;
    this.#finish();
  }

  #exited(how: Parameters<ChildHandler["exit"]>[0]): void {
    if (this.#ended !== undefined) return;
    this.#ended = this.#breach === undefined ? how : { ...how, error: this.#breach };
    this.#full = false;
    this.#goOn();
    if (this.#closed) return this.#finish();
    setTimeout(() => (this.#channel?.destroy(), this.#finish()), LAST_WORDS);
  }

  #finish(): void {
    if (this.#over || this.#ended === undefined) return;
    this.#over = true;
    this.#handler.exit(this.#ended);
  }
}

/** The channel to the parent that started this process by `spawnSelf`. */
export interface ParentChannel {
  /** Sends a message, a line without its end. */
  send(line: string): void;
  onMessage(handler: (line: string) => void): void;
  /** The parent is gone. */
  onClose(handler: () => void): void;
  /** Resolves when everything sent has left. */
  finish(): Promise<void>;
}

/** A parent's messages may hold a whole configuration with its tables: it is trusted with its child's memory. */
const LONGEST_OF_PARENT = 1024 * 1024 * 1024;

/** The channel to the parent, or undefined when this process was started in another way. */
export function parentChannel(): ParentChannel | undefined {
  if (!isSocket(CHANNEL)) return undefined;
  // The runtime takes a descriptor here, and says nothing of it being connected: it is.
  return new ChannelToParent(netModule().connect({ fd: CHANNEL } as unknown as net.NetConnectOpts));
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    return false;
  }
}

class ChannelToParent implements ParentChannel, ConnectionHandler {
  readonly #lines = new LineReader(LONGEST_OF_PARENT);
  readonly #connection: Connection;
  readonly #gone = Promise.withResolvers<void>();
  #message: (line: string) => void = () => {};
  #isClosed = false;

  constructor(socket: net.Socket) {
    this.#connection = wrapSocket(socket, () => this);
  }

  send(line: string): void {
    if (!this.#isClosed) this.#connection.write(`${line}\n`);
  }

  onMessage(handler: (line: string) => void): void {
    this.#message = handler;
  }

  onClose(handler: () => void): void {
    void this.#gone.promise.then(handler);
  }

  async finish(): Promise<void> {
    this.#connection.end();
    const timer = Promise.withResolvers<void>();
    const cancel = setTimeout(timer.resolve, LAST_WORDS);
    await Promise.race([this.#gone.promise, timer.promise]);
    clearTimeout(cancel);
  }

  data(chunk: Buffer): void {
    this.#lines.push(chunk, (line) => this.#message(line));
  }

  drain(): void {}
  timeout(): void {}

  end(): void {
    this.close();
  }

  close(): void {
    this.#isClosed = true;
    this.#gone.resolve();
  }
}
