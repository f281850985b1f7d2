// An SMTP server that takes mail and remembers of each message only its id and the digest of its body: for counting exactly.
import { createHash } from "node:crypto";
import { createServer, type Socket } from "node:net";

/** What arrived under one id. */
export interface Counted {
  /** Deliveries by recipient. */
  readonly recipients: Map<string, number>;
  /** Digests of all bodies that came; one when none was damaged. */
  readonly digests: Set<string>;
}

export interface CountingSink {
  readonly port: number;
  /** By the value of the `X-Count:` header. */
  readonly messages: Map<string, Counted>;
  close(): Promise<void>;
}

/** What did not come exactly once to exactly one recipient, undamaged; only for messages that have one. */
export function notOnce({ messages }: CountingSink): string[] {
  const isOnce = ({ recipients, digests }: Counted) =>
    digests.size === 1 && recipients.size === 1 && [...recipients.values()][0] === 1;
  return [...messages].filter(([, counted]) => !isOnce(counted)).map(([id]) => id);
}

/** Digest of a body as the sink counts it: what follows the header section, with CR LF line ends. */
export function digestOf(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex");
}

/** `refuse` answers true for a recipient that is to be put off with 450. */
export function startCountingSink(
  refuse: (recipient: string) => boolean = () => false,
): Promise<CountingSink> {
  const messages = new Map<string, Counted>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
    new Session(socket, messages, refuse);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve({
        port: typeof address === "object" && address !== null ? address.port : 0,
        messages,
        close: () => {
          for (const socket of sockets) socket.destroy();
          return new Promise<void>((done) => server.close(() => done()));
        },
      });
    });
  });
}

class Session {
  readonly #socket: Socket;
  readonly #messages: Map<string, Counted>;
  readonly #refuse: (recipient: string) => boolean;
  #text = "";
  #content: Buffer[] | undefined;
  #tail = Buffer.alloc(0);
  #recipients: string[] = [];

  constructor(socket: Socket, messages: Map<string, Counted>, refuse: (recipient: string) => boolean) {
    this.#socket = socket;
    this.#messages = messages;
    this.#refuse = refuse;
    socket.write("220 sink.example ESMTP\r\n");
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
  }

  #take(chunk: Buffer): void {
    if (this.#content !== undefined) return this.#takeContent(chunk);
    this.#text += chunk.toString("latin1");
    for (let end = this.#text.indexOf("\r\n"); end >= 0; end = this.#text.indexOf("\r\n")) {
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      this.#socket.write(`${this.#answer(line)}\r\n`);
      if (this.#content === undefined) continue;
      const rest = Buffer.from(this.#text, "latin1");
      this.#text = "";
      return this.#takeContent(rest);
    }
  }

  #answer(line: string): string {
    switch (line.slice(0, 4).toUpperCase()) {
      case "EHLO":
        return "250-sink.example\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250 8BITMIME";
      case "MAIL":
        this.#recipients = [];
        return "250 2.1.0 Ok";
      case "RCPT":
        return this.#rcpt(/<(.*?)>/.exec(line)?.[1] ?? "");
      case "DATA":
        if (this.#recipients.length === 0) return "554 5.5.1 No valid recipients";
        this.#content = [];
        this.#tail = Buffer.alloc(0);
        return "354 Go on";
      case "QUIT":
        this.#socket.end();
        return "221 2.0.0 Bye";
      default:
        return "250 2.0.0 Ok";
    }
  }

  #rcpt(recipient: string): string {
    if (this.#refuse(recipient)) return "450 4.2.0 Later";
    this.#recipients.push(recipient);
    return "250 2.1.5 Ok";
  }

  /** Bodies here have no line that starts with a dot, so the first CR LF . CR LF is the end. */
  #takeContent(chunk: Buffer): void {
    const seam = Buffer.concat([this.#tail, chunk]);
    this.#content!.push(chunk);
    const found = seam.indexOf("\r\n.\r\n");
    if (found < 0) {
      this.#tail = Buffer.from(seam.subarray(-4));
      return;
    }
    const whole = Buffer.concat(this.#content!);
    const end = whole.length - (seam.length - found) + 2;
    this.#content = undefined;
    this.#count(whole.subarray(0, end));
    this.#socket.write("250 2.0.0 Ok: counted\r\n");
    if (end + 3 < whole.length) this.#take(whole.subarray(end + 3));
  }

  #count(message: Buffer): void {
    const split = message.indexOf("\r\n\r\n");
    const id = /^X-Count: (\S+)/m.exec(message.toString("latin1", 0, split + 2))?.[1] ?? "";
    const counted = this.#messages.get(id) ??
      { recipients: new Map<string, number>(), digests: new Set<string>() };
    this.#messages.set(id, counted);
    counted.digests.add(digestOf(message.subarray(split + 4)));
    for (const recipient of this.#recipients) {
      counted.recipients.set(recipient, (counted.recipients.get(recipient) ?? 0) + 1);
    }
  }
}
