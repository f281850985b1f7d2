// A client for `tls.ts`, in a process of its own: `bun tls_source.ts PORT SESSIONS MESSAGES`
// sends messages, a connection with STARTTLS and a full handshake each, and ends with 1 when one is not taken;
// `bun tls_source.ts PORT hold COUNT` opens sessions and holds them until its standard input ends.
import { connect, type Socket } from "node:net";
import { connect as connectTls, createSecureContext } from "node:tls";

const CONTENT = `Subject: bench\r\n\r\n${`${"x".repeat(70)}\r\n`.repeat(57)}.\r\n`;
// One context for all: what a client is made of is read once.
const secureContext = createSecureContext({});

/** Replies, one after the other. */
class Dialogue {
  #socket: Socket;
  #text = "";
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.#socket = this.#listen(socket);
  }

  #listen(socket: Socket): Socket {
    return socket.on("data", (chunk) => (this.#text += chunk.toString("latin1"), this.#wake()))
      .on("error", (error) => {
        throw error;
      });
  }

  /** Sends, and waits for so many replies; throws when one is not good. */
  async say(text: string, replies = 1): Promise<void> {
    if (text !== "") this.#socket.write(text);
    for (let seen = 0; seen < replies;) {
      const reply = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/.exec(this.#text)?.[0];
      if (reply === undefined) await new Promise<void>((done) => this.#wake = done);
      else {
        if (!/^[23]/.test(reply)) throw new Error(reply);
        this.#text = this.#text.slice(reply.length);
        seen++;
      }
    }
  }

  async startTls(): Promise<void> {
    await this.say("STARTTLS\r\n");
    this.#socket.removeAllListeners("data");
    const secure = connectTls({ socket: this.#socket, secureContext, rejectUnauthorized: false });
    await new Promise<void>((done, fail) => secure.once("secureConnect", () => done()).once("error", fail));
    this.#socket = this.#listen(secure);
  }

  end(): void {
    this.#socket.destroy();
  }
}

async function open(port: number): Promise<Dialogue> {
  const dialogue = new Dialogue(connect({ port, host: "127.0.0.1", noDelay: true }));
  await dialogue.say("");
  await dialogue.say("EHLO bench\r\n");
  await dialogue.startTls();
  await dialogue.say("EHLO bench\r\n");
  return dialogue;
}

async function send(port: number): Promise<void> {
  const dialogue = await open(port);
  await dialogue.say("MAIL FROM:<sender@example.org>\r\nRCPT TO:<recipient@example.net>\r\nDATA\r\n", 3);
  await dialogue.say(CONTENT);
  await dialogue.say("QUIT\r\n");
  dialogue.end();
}

const [port = 0, sessions, count = 0] = process.argv.slice(2).map((word) =>
  word === "hold" ? word : Number(word)
);
if (sessions === "hold") {
  const held: Dialogue[] = [];
  while (held.length < Number(count)) {
    const some = Math.min(20, Number(count) - held.length);
    held.push(...await Promise.all(Array.from({ length: some }, () => open(Number(port)))));
  }
  console.log("held");
  for await (const _ of Bun.stdin.stream()) { /* until its end */ }
} else {
  let left = Number(count);
  await Promise.all(Array.from({ length: Number(sessions) }, async () => {
    while (left-- > 0) await send(Number(port));
  }));
}
process.exit(0);
