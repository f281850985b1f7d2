// What reaches a filter before the queue, byte by byte: it may be one that reads a bare CR as the end of a line, and it trusts us.
import { expect } from "bun:test";
import { createServer, type Server as NetServer } from "node:net";
import { withPeers } from "../../kit/peers.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta");

/** All that the filter got, a text for each connection, and how many of those have ended. */
let got: string[] = [];
let ended = 0;
let filter: NetServer;
let server: Server;
let ports: Readonly<Record<"at once" | "speed_adjust", number>>;

beforeAll(async () => {
  filter = createServer((socket) => {
    const at = got.push("") - 1;
    socket.setEncoding("latin1");
    socket.on("error", () => {});
    socket.on("close", () => ended++);
    socket.write("220 filter\r\n");
    socket.on("data", (chunk) => {
      got[at] = `${got[at]}${chunk}`;
      const replies = { DATA: "354 go", ".": "250 2.0.0 Ok: filtered", QUIT: "221 bye" };
      const line = String(chunk).trimEnd().split("\r\n").at(-1)!;
      socket.write(`${replies[line as keyof typeof replies] ?? "250 ok"}\r\n`);
    });
  });
  const port = await freePort();
  await new Promise<void>((done) => filter.listen(port, "127.0.0.1", done));
  ports = { "at once": await freePort(), "speed_adjust": await freePort() };
  server = await startServer({
    mainCf: [
      "smtpd_relay_restrictions = permit_mynetworks, reject",
      `smtpd_proxy_filter = 127.0.0.1:${port}`,
      "notify_classes =",
    ],
    masterCf: [
      `127.0.0.1:${ports["at once"]} inet n - n - - smtpd`,
      `127.0.0.1:${ports["speed_adjust"]} inet n - n - - smtpd`,
      "  -o smtpd_proxy_options=speed_adjust",
    ],
  });
});

afterAll(async () => {
  await server?.stop();
  filter?.close();
});

async function session(port: number, ...lines: string[]): Promise<string[]> {
  got = [];
  ended = 0;
  const client = await talk(port);
  const heard: string[] = [];
  for (const line of lines) heard.push(await client.say(line));
  client.end();
  return heard;
}

const REFUSAL = "501 5.5.2 Error: control character in command";
const CONTENT = "Subject: x\r\n\r\nhello\r\n.";

describe("a command with a CR in a quoted address is not passed on", () => {
  test("MAIL", async () => {
    const mail = 'MAIL FROM:<"a\rRCPT TO:<z@other.example>\rb"@x.example>';
    expect(await session(ports["at once"], "EHLO c.example", mail, "RCPT TO:<b@y.example>", "DATA"))
      .toEqual([expect.any(String), "250 2.1.0 Ok", REFUSAL, "554 5.5.1 Error: no valid recipients"]);
    expect(got.join("")).not.toContain("RCPT");
    await server.logged(/warning: proxy 127\.0\.0\.1:\d+: control character in "MAIL FROM:<"a\?RCPT TO:/);
  });

  test("RCPT: the other recipients get the message", async () => {
    const bad = 'RCPT TO:<"q\rRCPT TO:<z@other.example>\rz"@y.example>';
    const good = ["MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>"];
    const heard = await session(ports["at once"], "EHLO c.example", ...good, bad, "DATA", CONTENT);
    expect(heard.slice(2)).toEqual([
      "250 2.1.5 Ok",
      REFUSAL,
      "354 End data with <CR><LF>.<CR><LF>",
      "250 2.0.0 Ok: filtered",
    ]);
    expect(got.join("").match(/RCPT.*/g)).toEqual(["RCPT TO:<b@y.example>"]);
  });

  test("speed_adjust: the client hears of it at the end", async () => {
    const bad = 'RCPT TO:<"q\rRCPT TO:<z@other.example>\rz"@y.example>';
    const heard = await session(
      ports["speed_adjust"],
      "EHLO c.example",
      "MAIL FROM:<a@x.example>",
      bad,
      "DATA",
      CONTENT,
    );
    expect(heard.at(-1)).toBe(REFUSAL);
    expect(got.join("")).not.toContain("RCPT");
  });
});

test("a client that leaves after DATA: the filter gets no command as content", async () => {
  const mail = ["EHLO c.example", "MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>", "DATA"];
  expect((await session(ports["at once"], ...mail)).at(-1)).toStartWith("354 ");
  await until("the filter to be left", () => ended === 1);
  expect(got.join("")).toEndWith("DATA\r\n");
});
