// A scripted SMTP or LMTP server for tests: says what the test tells it to, and fails where it is told to.
import net from "node:net";
import tls from "node:tls";
import { pause } from "../waiting.ts";

/** What the server does: a reply (without the final CR LF; lines joined by `\r\n`), or one of the accidents. */
export type Act = string | "drop" | "silent";

export interface PeerScript {
  readonly greeting?: Act;
  /** EHLO keywords after the name, or an Act for a refusal (`502 no`). Default: PIPELINING, SIZE, 8BITMIME. */
  readonly ehlo?: readonly string[] | Act;
  readonly helo?: Act;
  readonly lhlo?: readonly string[] | Act;
  readonly mail?: Act | ((line: string) => Act);
  readonly rcpt?: Act | ((line: string, count: number) => Act);
  readonly data?: Act;
  /** Reply to the end of data. `drop-in-body` closes after the first bytes of content. For LMTP by recipient. */
  readonly dot?: Act | "drop-in-body" | ((content: string, rcpt: string | undefined) => Act);
  readonly rset?: Act;
  readonly xforward?: Act;
  readonly quit?: Act;
  /**
   * Answers AUTH, and each line of the dialogue for as long as the answer is 334. `count` is 0 for AUTH itself; what stands in base64 is
   * given as text.
   */
  readonly auth?: (line: string, count: number) => Act;
  /** Closes before the nth MAIL of a connection, counting from 1. */
  readonly dropBeforeMail?: number;
  /** Name in the greeting and EHLO reply. */
  readonly name?: string;
  /** Offers STARTTLS, with this chain and key (PEM). */
  readonly tls?: PeerTls;
  /** Reply to STARTTLS where there is no TLS. */
  readonly startTls?: Act;
}

export interface PeerTls {
  /** "" for a server without one: it has no cipher to offer then. */
  readonly certificate: string;
  readonly key: string;
  /** From the first byte. */
  readonly wrapper?: true;
  /** Reply to STARTTLS, where it is not the usual one. */
  readonly reply?: string;
  /** What comes in the clear behind the reply, in the same packet. */
  readonly behind?: string;
  /** Where the reply, with what is behind it, is cut into two packets; one when left out. */
  readonly cut?: number;
  /** An accident in place of a handshake. */
  readonly handshake?: "garbage" | "close" | "silent";
  /** Closes the connection at MAIL, when that comes encrypted. */
  readonly dropsAtMail?: true;
  /** Asks clients for a certificate, and refuses those that are not signed by this one (PEM). */
  readonly clientCa?: string;
  readonly options?: tls.SecureContextOptions;
}

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  /** With dots still stuffed. */
  readonly raw: string;
  readonly content: string;
}

export interface SmtpPeer {
  readonly port: number;
  /** Command lines of all connections, in order. */
  readonly lines: string[];
  readonly mails: ReceivedMail[];
  /** AUTH commands and the lines of their dialogues, base64 as text. */
  readonly auth: string[];
  /** Names that were asked for in handshakes (SNI); "" for none. */
  readonly serverNames: string[];
  /** Handshakes that resumed a session. */
  resumed: number;
  /** Data events of all connections: how many packets the client needed. */
  packets: number;
  connections: number;
  open: number;
  setScript(script: PeerScript): void;
  close(): Promise<void>;
}

const KEYWORDS = ["PIPELINING", "SIZE 10240000", "8BITMIME"];

interface Shared {
  script: PeerScript;
  readonly peer: {
    lines: string[];
    mails: ReceivedMail[];
    auth: string[];
    serverNames: string[];
    resumed: number;
    packets: number;
    connections: number;
    open: number;
  };
}

/** Starts the server on a free port of 127.0.0.1, or at a socket path. */
export async function startSmtpPeer(
  script: PeerScript = {},
  where: { readonly path?: string; readonly port?: number; readonly host?: string } = {},
): Promise<SmtpPeer> {
  const state = {
    lines: [] as string[],
    mails: [] as ReceivedMail[],
    auth: [] as string[],
    serverNames: [] as string[],
    resumed: 0,
    packets: 0,
    connections: 0,
    open: 0,
  };
  const shared: Shared = { script, peer: state };
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    state.connections++;
    state.open++;
    socket.on("close", () => (state.open--, sockets.delete(socket)));
    new Conversation(socket, shared).start();
  });
  await new Promise<void>((resolve) =>
    where.path === undefined
      ? server.listen(where.port ?? 0, where.host ?? "127.0.0.1", () => resolve())
      : server.listen(where.path, () => resolve())
  );
  const address = server.address();
  return Object.assign(state, {
    port: typeof address === "object" && address !== null ? address.port : 0,
    setScript: (next: PeerScript) => void (shared.script = next),
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
}

/** One for each certificate: sessions are resumed within a context only. */
const contexts = new Map<string, tls.SecureContext>();

function contextOf(
  certificate: string,
  key: string,
  clientCa = "",
  options: tls.SecureContextOptions = {},
): tls.SecureContext {
  const name = JSON.stringify([certificate, key, clientCa, options]);
  const own = certificate === "" ? {} : { cert: certificate, key };
  const made = contexts.get(name) ?? tls.createSecureContext({ ...own, ca: clientCa, ...options });
  contexts.set(name, made);
  return made;
}

class Conversation {
  #socket: net.Socket;
  readonly #shared: Shared;
  #buffer = "";
  #content: string | undefined;
  #from = "";
  #to: string[] = [];
  #mailCount = 0;
  /** Lines of an AUTH dialogue so far; undefined outside one. */
  #authCount: number | undefined;
  #isLmtp = false;

  constructor(socket: net.Socket, shared: Shared) {
    this.#socket = socket;
    this.#shared = shared;
  }

  start(): void {
    this.#socket.setNoDelay(true);
    const { script } = this.#shared;
    if (script.tls?.wrapper) this.#turn(script.tls);
    else this.#listen();
    this.#do(script.greeting ?? `220 ${script.name ?? "peer.example"} ESMTP`);
  }

  #listen(): void {
    this.#socket.on("error", () => {});
    this.#socket.on("data", this.#onData);
  }

  readonly #onData = (chunk: Buffer) => {
    this.#shared.peer.packets++;
    this.#buffer += chunk.toString("latin1");
    this.#work();
  };

  async #startTls(peerTls: PeerTls): Promise<void> {
    const { reply = "220 2.0.0 Ready to start TLS", behind = "", handshake, cut } = peerTls;
    this.#socket.off("data", this.#onData);
    const said = `${reply}\r\n${behind}`;
    this.#socket.setNoDelay(true).write(said.slice(0, cut));
    if (cut !== undefined) {
      await pause(15);
      this.#socket.write(said.slice(cut));
    }
    switch (handshake) {
      case "garbage":
        return void this.#socket.once("data", () => this.#socket.write("this is no handshake at all\r\n"));
      case "close":
        return void this.#socket.once("data", () => this.#socket.destroy());
      case "silent":
        return;
      default:
        return this.#turn(peerTls);
    }
  }

  #turn({ certificate, key, clientCa, options }: PeerTls): void {
    const secureContext = contextOf(certificate, key, clientCa, options);
    const asks = clientCa === undefined ? {} : { requestCert: true, rejectUnauthorized: true };
    let asked: string | undefined;
    const socket = new tls.TLSSocket(this.#socket, {
      isServer: true,
      secureContext,
      ...asks,
      // Who does not like the certificate is gone before the handshake is over here.
      SNICallback: (name, done) => {
        this.#shared.peer.serverNames.push(asked = name);
        done(null, secureContext);
      },
    });
    socket.once("secure", () => {
      if (asked === undefined) this.#shared.peer.serverNames.push("");
      if (socket.isSessionReused()) this.#shared.peer.resumed++;
    });
    this.#socket = socket;
    this.#buffer = "";
    this.#listen();
  }

  #do(act: Act): void {
    if (act === "silent") return;
    if (act === "drop") this.#socket.destroy();
    else this.#socket.write(`${act}\r\n`, "latin1");
  }

  #work(): void {
    while (!this.#socket.destroyed) {
      if (this.#content !== undefined) {
        if (!this.#takeContent()) return;
        continue;
      }
      const end = this.#buffer.indexOf("\r\n");
      if (end < 0) return;
      const line = this.#buffer.slice(0, end);
      this.#buffer = this.#buffer.slice(end + 2);
      this.#shared.peer.lines.push(line);
      this.#command(line);
    }
  }

  #hello(value: readonly string[] | Act | undefined): void {
    const { script } = this.#shared;
    if (typeof value === "string") return this.#do(value);
    const startTls = script.tls !== undefined && !(this.#socket instanceof tls.TLSSocket) ? ["STARTTLS"] : [];
    const lines = [script.name ?? "peer.example", ...value ?? KEYWORDS, ...startTls];
    this.#do(lines.map((line, i) => `250${i === lines.length - 1 ? " " : "-"}${line}`).join("\r\n"));
  }

  #auth(line: string): void {
    const { script, peer } = this.#shared;
    const count = this.#authCount ?? 0;
    const plain = line.replace(
      count === 0 ? /(?<=^AUTH \S+ )\S+/ : /\S+/,
      (text) => Buffer.from(text, "base64").toString().replaceAll("\0", "^@").replaceAll("\x01", "^A"),
    );
    peer.auth.push(plain);
    const act = script.auth?.(plain, count) ?? "502 5.5.1 unknown";
    this.#authCount = act.startsWith("334") ? count + 1 : undefined;
    this.#do(act);
  }

  #command(line: string): void {
    if (this.#authCount !== undefined || /^AUTH /i.test(line)) return this.#auth(line);
    const { script } = this.#shared;
    const verb = line.split(/[ :]/)[0]!.toUpperCase();
    switch (verb) {
      case "EHLO":
        return this.#hello(script.ehlo);
      case "LHLO":
        this.#isLmtp = true;
        return this.#hello(script.lhlo);
      case "HELO":
        return this.#do(script.helo ?? "250 peer.example");
      case "MAIL":
        return this.#mail(line);
      case "RCPT": {
        const rcpt = script.rcpt ?? "250 2.1.5 Ok";
        const act = typeof rcpt === "function" ? rcpt(line, this.#to.length) : rcpt;
        if (act.startsWith("2")) this.#to.push(line.replace(/^RCPT TO:<(.*?)>.*$/, "$1"));
        return this.#do(act);
      }
      case "DATA": {
        const act = script.data ?? "354 End data with <CR><LF>.<CR><LF>";
        if (act.startsWith("3")) this.#content = "";
        return this.#do(act);
      }
      case "RSET":
        return this.#do(script.rset ?? "250 2.0.0 Ok");
      case "XFORWARD":
        return this.#do(script.xforward ?? "250 2.0.0 Ok");
      case "STARTTLS":
        return script.tls === undefined
          ? this.#do(script.startTls ?? "500 5.5.2 unknown")
          : void this.#startTls(script.tls);
      case "QUIT":
        this.#do(script.quit ?? "221 2.0.0 Bye");
        return void this.#socket.end();
      default:
        return this.#do("500 5.5.2 unknown");
    }
  }

  #mail(line: string): void {
    const { script } = this.#shared;
    const dropped = script.tls?.dropsAtMail && this.#socket instanceof tls.TLSSocket;
    if (++this.#mailCount === script.dropBeforeMail || dropped) return void this.#socket.destroy();
    this.#from = line.replace(/^MAIL FROM:<(.*?)>.*$/, "$1");
    this.#to = [];
    const mail = script.mail ?? "250 2.1.0 Ok";
    this.#do(typeof mail === "function" ? mail(line) : mail);
  }

  /** Answers false while the end of data has not come. */
  #takeContent(): boolean {
    const { script, peer } = this.#shared;
    if (script.dot === "drop-in-body" && this.#buffer.length > 0) {
      this.#socket.destroy();
      return false;
    }
    this.#content += this.#buffer;
    this.#buffer = "";
    const all = this.#content!;
    const end = all.startsWith(".\r\n") ? 0 : all.indexOf("\r\n.\r\n") + 2;
    if (end === 1) return false;
    const raw = all.slice(0, end);
    this.#buffer = all.slice(end + 3);
    this.#content = undefined;
    const content = raw.replace(/^\./gm, "");
    const acts = this.#isLmtp
      ? this.#to.map((rcpt) => this.#dot(content, rcpt))
      : [this.#dot(content, undefined)];
    peer.mails.push({ from: this.#from, to: this.#to, raw, content });
    for (const act of acts) this.#do(act);
    return true;
  }

  #dot(content: string, rcpt: string | undefined): Act {
    const dot = this.#shared.script.dot ?? "250 2.0.0 Ok: queued as 12345";
    return typeof dot === "function" ? dot(content, rcpt) : dot;
  }
}
