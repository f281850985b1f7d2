// A bare SMTP client for whole-binary tests: sends lines, waits for replies.
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

/** An SMTP dialogue in progress. */
export interface Talk {
  /** Sends a line (CR LF is added) and resolves with the reply, its lines joined by "\n". */
  say(line: string): Promise<string>;
  /** Sends text as it is, without waiting. */
  send(text: string): void;
  /** The next reply. */
  reply(): Promise<string>;
  /** Resolves when the server has closed. */
  readonly closed: Promise<void>;
  end(): void;
  readonly socket: Socket;
}

/** Lines and replies over a socket, from now on. */
function dialogue(socket: Socket): Talk {
  let text = "";
  const waiting: ((reply: string) => void)[] = [];
  const replies: string[] = [];
  socket.setEncoding("latin1");
  socket.on("data", (chunk) => {
    text += chunk;
    for (let match = REPLY.exec(text); match !== null; match = REPLY.exec(text)) {
      text = text.slice(match[0].length);
      const reply = match[0].trimEnd().replaceAll("\r\n", "\n");
      const next = waiting.shift();
      if (next === undefined) replies.push(reply);
      else next(reply);
    }
  });
  const closed = new Promise<void>((done) => socket.on("close", () => done()));
  const reply = () =>
    new Promise<string>((done, fail) => {
      const ready = replies.shift();
      if (ready !== undefined) return done(ready);
      waiting.push(done);
      void closed.then(() => fail(new Error(`the server closed; got "${text}"`)));
    });
  const say = (line: string) => {
    socket.write(`${line}\r\n`, "latin1");
    return reply();
  };
  const end = () => void socket.destroy();
  return { say, send: (raw) => void socket.write(raw, "latin1"), reply, closed, end, socket };
}

/** Connects and resolves after the greeting, which is `greeting`; rejects when refused. */
export function talk(port: number, host = "127.0.0.1"): Promise<Talk & { readonly greeting: string }> {
  const socket = connect({ port, host });
  const over = dialogue(socket);
  return new Promise((done, fail) => {
    socket.once("error", fail);
    socket.once("connect", () => {
      socket.off("error", fail);
      socket.on("error", () => {});
      void over.reply().then((greeting) => done({ ...over, greeting }), fail);
    });
  });
}

/** Goes on over TLS when STARTTLS was answered with 220; the certificate may be anything. */
export function secure({ socket }: Talk): Promise<Talk> {
  socket.removeAllListeners("data");
  return new Promise((done, fail) => {
    const secured = connectTls({ socket, rejectUnauthorized: false }, () => {
      secured.off("error", fail);
      secured.on("error", () => {});
      done(dialogue(secured));
    });
    secured.once("error", fail);
  });
}

/** Connects to a port that speaks TLS from the start, and resolves after the greeting; the certificate may be anything. */
export async function talkTls(port: number): Promise<Talk> {
  const socket = connect({ port, host: "127.0.0.1" });
  await new Promise<void>((done, fail) => void socket.once("connect", done).once("error", fail));
  const over = dialogue(connectTls({ socket, rejectUnauthorized: false }));
  await over.reply();
  return over;
}

const REPLY = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3}(?: [^\r\n]*)?\r\n/;

/** Sends one message whole; resolves with the reply to its end. */
export async function sendMessage(
  port: number,
  mail: { readonly from: string; readonly to: string; readonly body?: string },
): Promise<string> {
  const client = await talk(port);
  await client.say("EHLO client.example");
  await client.say(`MAIL FROM:<${mail.from}>`);
  const rcpt = await client.say(`RCPT TO:<${mail.to}>`);
  if (!rcpt.startsWith("250")) return rcpt;
  await client.say("DATA");
  const answer = await client.say(`${mail.body ?? "Subject: test\r\n\r\nhello"}\r\n.`);
  await client.say("QUIT");
  client.end();
  return answer;
}
