// SMTP clients that send numbered messages as fast as they are answered, and remember what was accepted.
import { connect, type Socket } from "node:net";
import { digestOf } from "./servers/counting_sink.ts";
import { chanceOf } from "./chance.ts";

const chance = chanceOf(import.meta.path);

/** A message that got its 250: from there on it must never be lost. */
export interface Accepted {
  readonly id: string;
  readonly digest: string;
  readonly recipients: readonly string[];
}

/** One run of senders against a server. */
export interface Load {
  /** No further message is begun; resolves when all connections are closed. */
  stop(): Promise<void>;
}

/** Makes messages of all sizes: mostly small, some over any threshold between memory and file. */
function makeMessage(
  id: string,
  box: string | undefined,
): { readonly body: Buffer; readonly recipients: readonly string[] } {
  const dice = chance.random();
  const size = dice < 0.85 ? 200 + dice * 5000 : dice < 0.97 ? 30_000 : 400_000;
  const line = `${chance.bytes(36).toString("base64")}\r\n`;
  const body = Buffer.from(`${id}\r\n${line.repeat(Math.ceil(size / line.length))}`);
  const count = chance.random() < 0.8 ? 1 : 3;
  const far = Array.from({ length: count }, (_, at) => `r${at}-${id}@far.example`);
  return { body, recipients: box !== undefined && chance.random() < 0.3 ? [box, ...far] : far };
}

let serial = 0;

/**
 * Starts `lanes` clients, each on a connection of its own that it opens again when it is lost. Where a `box` is given, some
 * messages go there too.
 */
export function startLoad(
  port: number,
  lanes: number,
  accepted: (message: Accepted) => void,
  box?: string,
): Load {
  const state = { stopped: false };
  const running = Array.from({ length: lanes }, () => lane(port, state, accepted, box));
  return {
    stop: async () => {
      state.stopped = true;
      await Promise.all(running);
    },
  };
}

async function lane(
  port: number,
  state: { stopped: boolean },
  accepted: (message: Accepted) => void,
  box: string | undefined,
): Promise<void> {
  while (!state.stopped) {
    const client = new Client(port);
    try {
      await client.open();
      while (!state.stopped) {
        const message = await client.send(box);
        if (message !== undefined) accepted(message);
      }
    } catch { /* the server died: what was not answered does not count */ }
    client.close();
    if (!state.stopped) await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

class Client {
  readonly #socket: Socket;
  #text = "";
  #waiter: { resolve(reply: string): void; reject(error: Error): void } | undefined;
  #error: Error | undefined;

  constructor(port: number) {
    this.#socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const fail = (error: Error) => {
      this.#error ??= error;
      this.#waiter?.reject(this.#error);
    };
    this.#socket.on("data", (chunk) => {
      this.#text += chunk.toString("latin1");
      this.#answer();
    });
    this.#socket.on("error", fail);
    this.#socket.on("close", () => fail(new Error("closed")));
    this.#socket.setTimeout(60_000, () => fail(new Error("no answer for a minute")));
  }

  /** Hands the next whole reply, its last line, to whoever waits. */
  #answer(): void {
    const match = /^(?:\d{3}-[^\n]*\n)*(\d{3} [^\n]*)\r\n/.exec(this.#text);
    if (match === null || this.#waiter === undefined) return;
    this.#text = this.#text.slice(match[0].length);
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter.resolve(match[1]!);
  }

  #reply(): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#error !== undefined) return reject(this.#error);
      this.#waiter = { resolve, reject };
      this.#answer();
    });
  }

  async #command(text: string | Buffer, wanted: RegExp): Promise<string> {
    this.#socket.write(text);
    const reply = await this.#reply();
    if (!wanted.test(reply)) throw new Error(`${String(text).slice(0, 60).trim()}: ${reply}`);
    return reply;
  }

  async open(): Promise<void> {
    const greeting = await this.#reply();
    if (!greeting.startsWith("220")) throw new Error(greeting);
    await this.#command("EHLO load.example\r\n", /^250/);
  }

  /** Sends a message; undefined when it was put off. */
  async send(box: string | undefined): Promise<Accepted | undefined> {
    const id = `m${++serial}x${chance.bytes(4).toString("hex")}`;
    const { body, recipients } = makeMessage(id, box);
    await this.#command("MAIL FROM:<>\r\n", /^250/);
    for (const recipient of recipients) await this.#command(`RCPT TO:<${recipient}>\r\n`, /^250/);
    await this.#command("DATA\r\n", /^354/);
    const head = `From: <load@example.org>\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nX-Count: ${id}\r\n\r\n`;
    this.#socket.write(head);
    this.#socket.write(body);
    this.#socket.write(".\r\n");
    const reply = await this.#reply();
    if (reply.startsWith("4")) return undefined;
    if (!reply.startsWith("250")) throw new Error(reply);
    return { id, digest: digestOf(body), recipients };
  }

  close(): void {
    this.#socket.destroy();
  }
}
