// A client that speaks SMTP and turns to TLS where a dialogue says so. What it hears is a list of lines, to be compared.
import net from "node:net";
import tls from "node:tls";
import type { SelfSigned } from "./memory/self_signed.ts";

/** The client's side of a handshake. */
export interface TlsHello {
  /** The name that it asks for. */
  readonly serverName?: string;
  readonly own?: SelfSigned;
  readonly versions?: readonly [lowest: tls.SecureVersion, highest: tls.SecureVersion];
  readonly ciphers?: string;
  readonly session?: Buffer;
}

/** A step: a line to say (CR LF is added) and its reply, bytes as they are, one more reply, a handshake, or the end. */
export type DialogueStep =
  | string
  | { readonly raw: string }
  | { readonly heard: true }
  | { readonly tls: TlsHello }
  | { readonly hangUp: true };

/** What is heard when a server says nothing more. */
const CLOSED = "<closed>";
const PATIENCE = 30_000;
const REPLY = /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/;

/** Plays the steps; what the server says is heard after each line, what came of a handshake after that. */
export async function dialogue(
  port: number,
  steps: readonly DialogueStep[],
  isWrapped = false,
): Promise<string[]> {
  const client = new DialogueClient(net.connect({ port, host: "127.0.0.1" }));
  const heard: string[] = [];
  const [first] = steps;
  const speaksFirst = typeof first === "object" && ("tls" in first || isWrapped);
  if (!speaksFirst) heard.push(await client.reply());
  for (const step of steps) {
    if (typeof step === "string") {
      client.write(`${step}\r\n`);
      heard.push(await client.reply());
    } else if ("raw" in step) client.write(step.raw);
    else if ("heard" in step) heard.push(await client.reply());
    else if ("tls" in step) {
      const what = await client.secure(step.tls);
      heard.push(what);
      if (speaksFirst && what !== CLOSED) heard.push(await client.reply());
    } else break;
    if (heard.at(-1) === CLOSED) break;
  }
  await client.end();
  return heard;
}

class DialogueClient {
  #socket: net.Socket;
  #text = "";
  #closed = false;
  #wake = () => {};

  constructor(socket: net.Socket) {
    this.#socket = socket;
    this.#listen();
  }

  readonly #data = (chunk: Buffer) => {
    this.#text += chunk.toString("latin1");
    this.#wake();
  };
  readonly #over = () => {
    this.#closed = true;
    this.#wake();
  };

  #listen(): void {
    this.#socket.on("data", this.#data).on("end", this.#over).on("close", this.#over).on("error", this.#over);
  }

  write(text: string): void {
    this.#socket.write(text, "latin1");
  }

  /** Closes our side, and waits until the server has closed its own. */
  async end(): Promise<void> {
    const socket = this.#socket;
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    const timer = setTimeout(() => socket.destroy(), PATIENCE);
    if (!socket.destroyed) {
      socket.resume();
      socket.end();
      await closed;
    }
    clearTimeout(timer);
  }

  /** The next reply, its lines joined by a newline. */
  async reply(): Promise<string> {
    const end = performance.now() + PATIENCE;
    for (;;) {
      const found = REPLY.exec(this.#text);
      if (found !== null) {
        this.#text = this.#text.slice(found[0].length);
        return found[0].trimEnd().replaceAll("\r\n", "\n");
      }
      if (this.#closed) return this.#text === "" ? CLOSED : `${this.#text}${CLOSED}`;
      if (performance.now() > end) return "<silence>";
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, end - performance.now());
        this.#wake = () => (clearTimeout(timer), resolve());
      });
    }
  }

  secure({ serverName, own, versions, ciphers, session }: TlsHello): Promise<string> {
    const plain = this.#socket;
    plain.off("data", this.#data);
    const secured = tls.connect({
      socket: plain,
      rejectUnauthorized: false,
      ...(serverName !== undefined && { servername: serverName }),
      ...(own !== undefined && { key: own.key, cert: own.certificate }),
      ...(versions !== undefined && { minVersion: versions[0], maxVersion: versions[1] }),
      ...(ciphers !== undefined && { ciphers }),
      ...(session !== undefined && { session }),
    });
    this.#socket = secured;
    return new Promise((resolve) => {
      const failed = () => resolve(CLOSED);
      secured.once("error", failed).once("close", failed).once("end", failed);
      secured.once("secureConnect", () => {
        this.#listen();
        const { subject } = secured.getPeerCertificate();
        const resumed = secured.isSessionReused() ? ", resumed" : "";
        resolve(`<${secured.getProtocol()}, ${subject?.CN}${resumed}>`);
      });
    });
  }
}
