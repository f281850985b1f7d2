// An ordinary day of a mail server, driven through any server: what clients send, step by step, and what they do instead of
// saying goodbye.
import { connect, type Socket } from "node:net";

/** A client: lines that it says (`>` alone: sends without waiting for a reply), then how it goes. */
export interface Client {
  readonly what: string;
  readonly says: readonly string[];
  /** `quit` says QUIT, `close` just closes, `reset` closes with RST, `wait` says nothing more until the server closes. */
  readonly goes: "quit" | "close" | "reset" | "wait";
}

const HELLO = "EHLO client.example.org";
const FROM = "MAIL FROM:<ann@example.org>";
const rcpt = (to: string) => `RCPT TO:<${to}>`;
const END = "Subject: day\r\nMessage-ID: <day@example.org>\r\n\r\nhello\r\n.";
const message = (to: string, from = FROM) => [HELLO, from, rcpt(to), "DATA", END];
const BOB = "bob@example.com";

const quits = (what: string, ...says: readonly string[]): Client => ({ what, says, goes: "quit" });
const stages = [
  [],
  [HELLO],
  [HELLO, FROM],
  [HELLO, FROM, rcpt(BOB)],
  [HELLO, FROM, rcpt(BOB), "DATA"],
  message(BOB),
];

/** The clients of the day, one after the other. */
export const CLIENTS: readonly Client[] = [
  quits("accepted", ...message(BOB)),
  quits("relayed", ...message("x@ok.example")),
  quits("by HELO", "HELO client.example.org", FROM, rcpt(BOB), "DATA", END),
  quits("without HELO", FROM, rcpt(BOB)),
  quits("null sender", ...message(BOB, "MAIL FROM:<>")),
  quits("alias of several", ...message("team@example.com")),
  quits("alias to outside", ...message("away@example.com")),
  quits("alias to nobody", ...message("gone@example.com")),
  quits("alias to itself", ...message("loop@example.com")),
  quits(
    "several recipients",
    HELLO,
    FROM,
    rcpt(BOB),
    rcpt("x@ok.example"),
    rcpt("nobody@example.com"),
    "DATA",
    END,
  ),
  quits("unknown user", HELLO, FROM, rcpt("nobody@example.com")),
  quits("refused sender", HELLO, "MAIL FROM:<eve@bad.example>", rcpt(BOB)),
  quits("sender without domain", HELLO, "MAIL FROM:<eve>", rcpt(BOB)),
  quits("too large", HELLO, "MAIL FROM:<ann@example.org> SIZE=99999999"),
  quits("bounced", ...message("x@gone.example")),
  quits("bounced, null sender", ...message("x@gone.example", "MAIL FROM:<>")),
  quits("deferred", ...message("x@later.example")),
  quits("a long reply", ...message("x@long.example")),
  quits("a reply of lines", ...message("x@lines.example")),
  quits("a next hop that is down", ...message("x@down.example")),
  quits("a next hop that closes", ...message("x@drop.example")),
  quits("a next hop that greets with 421", ...message("x@busy.example")),
  quits("a header that is noted", HELLO, FROM, rcpt(BOB), "DATA", "Subject: note\r\n\r\nx\r\n."),
  quits("a header that is refused", HELLO, FROM, rcpt(BOB), "DATA", "Subject: refuse\r\n\r\nx\r\n."),
  quits("held", HELLO, FROM, rcpt(BOB), "DATA", "Subject: hold\r\n\r\nx\r\n."),
  quits("a body that is noted", HELLO, FROM, rcpt(BOB), "DATA", "Subject: y\r\n\r\nnote this\r\n."),
  quits("RSET, NOOP, VRFY", HELLO, FROM, rcpt(BOB), "RSET", "NOOP", "VRFY bob", "HELP"),
  quits("out of order", HELLO, "DATA", rcpt(BOB), FROM, FROM, "DATA"),
  quits("wrong commands", HELLO, "FOO", "MAIL bob", "RCPT bob", "MAIL FROM:<a b>", "EHLO"),
  quits("pipelined", HELLO, `>${FROM}\r\n${rcpt(BOB)}\r\nDATA`, "", "", END),
  quits("alias to a command", ...message("cmd@example.com")),
  quits("alias to a command that asks for later", ...message("cmdlater@example.com")),
  quits("alias to a command that refuses", ...message("cmdno@example.com")),
  quits("alias to a list that is not there", ...message("nolist@example.com")),
  quits("an extension", ...message("bob+x@example.com")),
  quits("notified of success", HELLO, FROM, `${rcpt(BOB)} NOTIFY=SUCCESS`, "DATA", END),
  quits("a virtual alias", ...message("v@virtual.example")),
  quits("a virtual domain's unknown user", ...message("w@virtual.example")),
  quits("relocated", ...message("moved@example.com")),
  quits("an error transport", ...message("x@error.example")),
  quits("a retry transport", ...message("x@retry.example")),
  quits("a discard transport", ...message("x@discard.example")),
  quits("names of clients", "HELO", "EHLO a b", "HELO [192.0.2.1]", "HELO x"),
  quits("commands that are not there", HELLO, "STARTTLS", "AUTH PLAIN AGEAYg=="),
  quits("commands that are for others", HELLO, "EXPN bob", "XCLIENT NAME=x"),
  quits(
    "too many recipients",
    HELLO,
    FROM,
    ...["a", "b", "c", "d"].map((user) => rcpt(`${user}@ok.example`)),
    "DATA",
    END,
  ),
  quits(
    "too large without SIZE",
    HELLO,
    FROM,
    rcpt(BOB),
    "DATA",
    `Message-ID: <large@example.org>\r\n\r\n${`${"y".repeat(70)}\r\n`.repeat(800)}.`,
  ),
  quits(
    "loops",
    HELLO,
    FROM,
    rcpt(BOB),
    "DATA",
    `Message-ID: <loops@example.org>\r\n${"Received: x\r\n".repeat(60)}\r\nx\r\n.`,
  ),
  quits(
    "8 bits",
    HELLO,
    `${FROM} BODY=8BITMIME`,
    rcpt("x@ok.example"),
    "DATA",
    "Subject: \u00e4\r\n\r\n\u00e4\r\n.",
  ),
  quits("a long command", HELLO, `NOOP ${"x".repeat(3000)}`),
  quits("a next hop that refuses EHLO", ...message("x@helo.example")),
  quits("a next hop that refuses the sender", ...message("x@nosender.example")),
  quits("a next hop that refuses DATA", ...message("x@nodata.example")),
  quits("a next hop that closes in content", ...message("x@inbody.example")),
  quits("a next hop that speaks nonsense", ...message("x@nonsense.example")),
  {
    what: "pipelined before EHLO's reply",
    says: [`>${HELLO}\r\n${FROM}\r\n${rcpt(BOB)}\r\nQUIT`],
    goes: "wait",
  },
  { what: "a web browser", says: [">GET / HTTP/1.0\r\nHost: x\r\n\r"], goes: "wait" },
  { what: "too many errors", says: [HELLO, "a", "b", "c"], goes: "wait" },
  { what: "idle", says: [HELLO], goes: "wait" },
  { what: "idle in DATA", says: [HELLO, FROM, rcpt(BOB), "DATA", ">half"], goes: "wait" },
  ...stages.map((says): Client => ({
    what: `closes after ${says.at(-1) ?? "the greeting"}`,
    says,
    goes: "close",
  })),
  ...stages.map((says): Client => ({
    what: `resets after ${says.at(-1) ?? "the greeting"}`,
    says,
    goes: "reset",
  })),
  { what: "closes in content", says: [HELLO, FROM, rcpt(BOB), "DATA", ">Subject: half"], goes: "close" },
  {
    what: "closes without waiting for the last reply",
    says: [...message(BOB).slice(0, -1), `>${END}`],
    goes: "close",
  },
  {
    what: "says all at once, and closes",
    says: [HELLO, `>${FROM}\r\n${rcpt(BOB)}\r\nDATA\r\n${END}`],
    goes: "close",
  },
  { what: "does not wait for QUIT's reply", says: [...message(BOB), ">QUIT"], goes: "close" },
  { what: "resets instead of waiting for QUIT's reply", says: [...message(BOB), ">QUIT"], goes: "reset" },
  {
    what: "closes after BDAT",
    says: [HELLO, FROM, rcpt(BOB), `BDAT 17 LAST\r\nSubject: x\r\n\r\nx`],
    goes: "close",
  },
  {
    what: "closes after refused content",
    says: [HELLO, FROM, rcpt(BOB), "DATA", "Subject: refuse\r\n\r\nx\r\n."],
    goes: "close",
  },
  { what: "idle after a message", says: message(BOB), goes: "wait" },
  { what: "closes after RSET", says: [...message(BOB), "RSET"], goes: "close" },
  { what: "closes after a refusal", says: [HELLO, FROM, rcpt("nobody@example.com")], goes: "close" },
  { what: "closes after an unknown command", says: [HELLO, "FOO"], goes: "close" },
  { what: "closes after two messages", says: [...message(BOB), FROM, rcpt(BOB), "DATA", END], goes: "close" },
];

const REPLY = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\n/;
const PATIENCE = 60_000;

/** Plays a client; resolves when the connection is gone, with the ids of the messages that were taken. */
export async function play(client: Client, port: number): Promise<string[]> {
  const socket = connect({ port, host: "127.0.0.1" });
  const closed = new Promise<void>((done) => socket.on("close", () => done()));
  socket.on("error", () => {});
  const replies = new Replies(socket);
  const taken: string[] = [];
  const hear = async () => {
    const reply = await replies.next();
    taken.push(.../queued as (\w+)/.exec(reply ?? "")?.slice(1) ?? []);
    return reply !== undefined;
  };
  await hear();
  for (const line of client.says) {
    const silent = line.startsWith(">");
    if (line !== "") socket.write(`${silent ? line.slice(1) : line}\r\n`);
    if (!silent && !await hear()) break;
  }
  if (client.goes === "quit") {
    socket.write("QUIT\r\n");
    await hear();
  }
  if (client.goes === "reset") socket.resetAndDestroy();
  else if (client.goes !== "wait") socket.end();
  await closed;
  return taken;
}

/** The replies that come, one after the other. */
class Replies {
  #text = "";
  #over = false;
  #wake = () => {};

  constructor(socket: Socket) {
    socket.on("data", (chunk) => (this.#text += chunk.toString("latin1").replaceAll("\r", ""), this.#wake()));
    socket.on("close", () => (this.#over = true, this.#wake()));
    socket.setTimeout(PATIENCE, () => socket.destroy());
  }

  /** The next reply; undefined when none comes any more. */
  async next(): Promise<string | undefined> {
    for (;;) {
      const [reply] = REPLY.exec(this.#text) ?? [];
      if (reply !== undefined) {
        this.#text = this.#text.slice(reply.length);
        return reply;
      }
      if (this.#over) return undefined;
      await new Promise<void>((done) => this.#wake = done);
    }
  }
}

/** What a log line is apart from names that differ from run to run: `smtpd: disconnect from localhost[127.0.0.1] ehlo=1 ...`. */
export function kindOf(line: string): string | undefined {
  const [, program, text] = /postfix\/([\w-]+)\[\d+\]: (.*)$/.exec(line) ?? [];
  if (program === undefined || text === undefined) return undefined;
  if (["master", "postfix-script", "postlogd", "anvil", "scache"].includes(program)) return undefined;
  return `${program}: ${
    text.replace(/\b[0-9A-F]{9,12}\b/g, "ID").replace(/delays?=[\d./]+/g, "delay=N").replace(
      /size=\d+/,
      "size=N",
    )
      .replace(/<\d{14}\.ID@/g, "<ID@").replace(/:\d{4,5}\b/g, ":PORT").replace(/conn_use=\d+/, "conn_use=N")
      .replace(/\/tmp\/[\w-]+/g, "DIR").replace(/x{50}.*/, "...")
  }`;
}
