// Plays the commands of a scenario in SMTP, with the client's facts by XCLIENT: against an smtpd in memory, or over TCP.
import net from "node:net";
import { quoteAddress } from "../../../src/address/address.ts";
import type { MemoryConnection, MemorySmtpd } from "../memory/memory_smtpd.ts";

/** The client as XCLIENT presents it. */
export interface ScriptClient {
  readonly address?: string;
  /** Verified name; undefined: none. */
  readonly name?: string;
  readonly nameStatus?: 4 | 5;
  readonly reverseName?: string;
  readonly reverseNameStatus?: 4 | 5;
  readonly login?: string;
  /** The TCP connection's own source; 127.0.0.1 unless given. */
  readonly peer?: string;
}

/** What a script's `.` gets when DATA was refused: it is not sent. */
const NO_CONTENT = "(no content)";
const CLOSED = "(closed)";

/** A dialogue, line by line. */
export interface Dialogue {
  /** The next reply, its lines joined by CR LF; `(closed)` when there is none to come. */
  reply(): Promise<string>;
  send(text: string): void;
  close(): void;
}

/** Sends a line and waits for its reply. */
export function ask(dialogue: Dialogue, line: string): Promise<string> {
  dialogue.send(`${line}\r\n`);
  return dialogue.reply();
}

const WHOLE_REPLY = /^(?:\d{3}-.*\r\n)*\d{3} .*\r\n/;

/** A dialogue over TCP. */
export function dial(port: number, localAddress = "127.0.0.1"): Dialogue {
  const socket = net.connect({ port, host: "127.0.0.1", localAddress });
  let [buffer, closed, wake] = ["", false, () => {}];
  socket.on("data", (chunk) => {
    buffer += chunk.toString("latin1");
    wake();
  });
  socket.on("close", () => {
    closed = true;
    wake();
  });
  socket.on("error", () => {});
  return {
    async reply() {
      for (;;) {
        const match = WHOLE_REPLY.exec(buffer);
        if (match !== null) {
          buffer = buffer.slice(match[0].length);
          return match[0].trimEnd();
        }
        if (closed) return CLOSED;
        await new Promise<void>((resolve) => wake = resolve);
      }
    },
    send: (text) => void socket.write(text),
    close: () => void socket.destroy(),
  };
}

/** How long a reply of the smtpd in memory may take, in milliseconds. */
const TIME_LIMIT = 30_000;

/** A dialogue with an smtpd in memory. */
export function enter(house: MemorySmtpd, peer = "127.0.0.1"): Dialogue {
  return dialogueOver(house.connect(peer), house);
}

/** A dialogue over a connection in memory. */
export function dialogueOver(connection: MemoryConnection, house: MemorySmtpd): Dialogue {
  let buffer = "";
  return {
    async reply() {
      for (const until = Date.now() + TIME_LIMIT; Date.now() < until;) {
        buffer += connection.read();
        const match = WHOLE_REPLY.exec(buffer);
        if (match !== null) {
          buffer = buffer.slice(match[0].length);
          return match[0].trimEnd();
        }
        if (connection.closed) return CLOSED;
        await new Promise((resolve) => setImmediate(resolve));
      }
      throw new Error(`no reply from the smtpd in memory:\n${house.log.lines.slice(-5).join("\n")}`);
    },
    send: (text) => connection.send(text),
    close: () => connection.handler.close(undefined),
  };
}

function xclient(client: ScriptClient): string {
  const missing = (status: 4 | 5 | undefined) => status === 4 ? "[TEMPUNAVAIL]" : "[UNAVAILABLE]";
  const { address = "192.0.2.7" } = client;
  const name = client.name ?? missing(client.nameStatus);
  const reverse = client.reverseName ?? client.name ?? missing(client.reverseNameStatus);
  const given = address.includes(":") ? `IPV6:${address}` : address;
  const login = client.login === undefined ? "" : ` LOGIN=${client.login}`;
  return `XCLIENT NAME=${name} REVERSE_NAME=${reverse} ADDR=${given} PORT=40000${login}`;
}

function written(address: string): string {
  return /[ "]/.test(address) ? quoteAddress(address) : address;
}

/** The line of a script's command: MAIL and RCPT have an address in internal form. */
function wireForm(command: string): string {
  const [verb, ...rest] = command.split(" ");
  if (verb === "MAIL") return `MAIL FROM:<${written(rest.join(" "))}>`;
  if (verb === "RCPT") return `RCPT TO:<${written(rest.join(" "))}>`;
  if (command === ".") return "Subject: x\r\n\r\nbody\r\n.";
  return command;
}

/** A reply without what differs anyway: greetings and EHLO by their code, the queue id left out. */
function essence(reply: string, command: string): string {
  if (/^220/.test(reply)) return "220";
  if (/^(EHLO|HELO)/.test(command) && reply.startsWith("250")) return "250";
  if (command === "DATA" && reply.startsWith("354")) return "354";
  return reply.replace(/Ok: queued as \w+/, "Ok: queued");
}

/** Becomes the client and says the commands; answers a reply for XCLIENT and one for each command. */
export async function playSession(
  dialogue: Dialogue,
  client: ScriptClient,
  commands: readonly string[],
): Promise<string[]> {
  await dialogue.reply();
  const replies = [essence(await ask(dialogue, xclient(client)), "")];
  for (const command of commands) {
    if (command === "." && !replies.at(-1)?.startsWith("354")) {
      replies.push(replies.at(-1) === CLOSED ? CLOSED : NO_CONTENT);
      continue;
    }
    replies.push(essence(await ask(dialogue, wireForm(command)), command));
  }
  dialogue.close();
  return replies;
}
