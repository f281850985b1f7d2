// Header lines over smtp_line_length_limit: as Postfix breaks them at the next hop, and folded instead (fold_long_headers).
import { expect } from "bun:test";
import net from "node:net";
import { foldFields } from "../../../src/message/fold_field.ts";
import { DotStuffer } from "../../../src/smtp/dot_stuffing.ts";
import { chanceOf } from "../../kit/chance.ts";
import { settle } from "../../kit/memory/fake_clock.ts";
import { BASE_MAIN_CF, memorySmtpd } from "../../kit/memory/memory_smtpd.ts";
import { withPeers } from "../../kit/peers.ts";
import { masterLines } from "../../kit/scenes/live_line.ts";
import { freePort } from "../../kit/server.ts";
import { type PostfixInstance, startPostfix } from "../../kit/servers/postfix.ts";
import { type SmtpPeer, startSmtpPeer } from "../../kit/servers/smtp_peer.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "postfix", "root");

const USUAL = 998;

const words = (word: string, length: number) => word.repeat(Math.ceil(length / word.length)).slice(0, length);
const addresses = Array.from({ length: 60 }, (_, i) => `"Person, ${i}" <person.${i}@example.com>`).join(", ");

/** Fields of which Postfix breaks lines, or nearly. */
const FIELDS: Readonly<Record<string, string>> = {
  "a line of the limit": `X: ${words("y", 995)}`,
  "one byte over it": `Subject: ${words("ab ", 989)}c`,
  "message ids": `References: ${words("<0123456789@mail.example.org> ", 2400)}>`,
  "recipients": `To: ${addresses}`,
  "recipients, a blank at each end": `Cc: ${addresses.replaceAll(", ", " , ")} `,
  "a tab": `X: ${words("a", 700)}\t${words("b", 700)}`,
  "a line that is cut in a word, and folded behind it": `List-Unsubscribe: <${
    words("u", 1200)
  }>, <mailto:x@example.org>`,
  "one word": `X: ${words("w", 3000)}`,
  "one word that fits by itself": `X-Name: ${words("w", 995)}`,
  "long continuations": `X: a\r\n ${words("b ", 1500)}b\r\n\t${words("c", 1300)}\r\n d`,
  "much white space": `X: a${words(" ", 2500)}b`,
  "white space at its end": `X: ${words("a", 990)}${words(" ", 400)}`,
  "over line_length_limit": `X: ${words("word ", 2046)}x${words(" more", 3000)}`,
  "over two of them": `X: ${words("0123456789", 4094)} ${words("z", 4096)} e`,
  "eight bits": `Subject: ${words("gr\xc3\xbc\xc3\x9fe ", 1300)}x`,
  "a blank in the name": `X-A : ${words("b ", 1200)}c`,
  "dots": `X: ${words(" .", 2200)}`,
  "a field that is no field": `From ${words("b ", 1200)}c`,
  "what is dropped": `Bcc: ${words("b@example.org, ", 1200)}c@example.org`,
};

function randomFields(): Readonly<Record<string, string>> {
  const { random } = chanceOf(import.meta.path);
  const below = (n: number) => Math.floor(random() * n);
  const between = [" ", "\t", "  ", " \t ", "\r\n ", "\r\n\t"];
  const most = [20, 80, 400, 1500];
  const piece = () => between[below(between.length)]! + words("a.-", 1 + below(most[below(most.length)]!));
  const field = () => `X-${below(9)}:${Array.from({ length: 1 + below(60) }, piece).join("")}`;
  return Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`random ${i}`, field()]));
}

const CASES: Readonly<Record<string, string>> = { ...FIELDS, ...randomFields() };

const MAIN: Readonly<Record<string, string>> = { local_header_rewrite_clients: "permit_inet_interfaces" };

function dialogue(field: string): readonly string[] {
  const rest = `Date: now\r\nFrom: a@example.org\r\n${field}\r\n\r\n${words("body ", 1200)}`;
  return [
    "HELO client\r\n",
    "MAIL FROM:<a@example.org>\r\n",
    "RCPT TO:<b@example.com>\r\n",
    "DATA\r\n",
    `Message-Id: <1@x>\r\n${rest}\r\n.\r\n`,
  ];
}

/** What is in the queue. */
async function stored(field: string, main: Record<string, string>): Promise<string> {
  const house = memorySmtpd({ ...MAIN, ...main });
  const connection = house.connect();
  await settle();
  for (const part of dialogue(field)) {
    connection.send(Buffer.from(part, "latin1"));
    await settle();
  }
  const [message] = house.store.messages.values();
  return withoutTrace(Buffer.from(message?.bytes ?? connection.read()).toString("latin1"));
}

/** What the next hop has of it. */
function sent(content: string): string {
  const stuffer = new DotStuffer(USUAL);
  const bytes = Buffer.concat([...stuffer.push(Buffer.from(content, "latin1")), ...stuffer.end()]);
  return bytes.toString("latin1").replaceAll("\r\n..", "\r\n.");
}

/** The trace on top has dates and names. */
const withoutTrace = (content: string) => content.replace(/^Received: [^\r]*\r\n(?:[ \t][^\r]*\r\n)*/, "");

const unfolded = (content: string) => content.replaceAll(/\r\n(?=[ \t])/g, "");
const headerOf = (content: string) => content.slice(0, content.indexOf("\r\n\r\n") + 2);

describe("header lines over smtp_line_length_limit", () => {
  let postfix: PostfixInstance | undefined;
  let peer: SmtpPeer;
  const theirs = new Map<string, string>();

  beforeAll(async () => {
    peer = await startSmtpPeer();
    const hop = `smtp:[127.0.0.1]:${peer.port}`;
    const port = await freePort();
    const transcript = {
      title: "",
      file: "",
      main: MAIN,
      client: undefined,
      only: undefined,
      steps: [],
      logs: [],
    };
    postfix = await startPostfix({
      main: {
        ...BASE_MAIN_CF,
        default_transport: hop,
        local_transport: hop,
        smtp_dns_support_level: "disabled",
      },
      master: masterLines(transcript, port, BASE_MAIN_CF),
    });
    for (const [name, field] of Object.entries(CASES)) theirs.set(name, await relayed(port, field));
  }, 240_000);

  afterAll(async () => {
    await postfix?.stop();
    await peer?.close();
  });

  async function relayed(port: number, field: string): Promise<string> {
    const before = peer.mails.length;
    const socket = net.connect(port, "127.0.0.1");
    const answer = () =>
      new Promise<string>((resolve) => socket.once("data", (chunk) => resolve(chunk.toString())));
    let last = await answer();
    for (const part of dialogue(field)) {
      socket.write(Buffer.from(part, "latin1"));
      last = await answer();
    }
    socket.end("QUIT\r\n");
    if (!last.startsWith("250")) return last;
    await until("the message", () => peer.mails.length > before);
    return withoutTrace(peer.mails[before]!.content);
  }

  for (const [name, field] of Object.entries(CASES)) {
    test(`fold_long_headers = no: Postfix's bytes at the next hop: ${name}`, async () => {
      expect(sent(await stored(field, { fold_long_headers: "no" }))).toBe(theirs.get(name)!);
    }, 60_000);

    test(
      `folded at white space it is the same header, which is not cut where each word fits: ${name}`,
      async () => {
        const plain = await stored(field, { fold_long_headers: "no" });
        const folded = await stored(field, {});
        expect(folded).toBe(foldFields(headerOf(plain), USUAL) + plain.slice(headerOf(plain).length));
        expect(unfolded(folded)).toBe(unfolded(plain));
        const cut = headerOf(folded).split("\r\n").filter((line) => line.length > USUAL);
        if (cut.length === 0) expect(headerOf(sent(folded))).toBe(headerOf(folded));
      },
      60_000,
    );
  }

  test("where both have to break a line, Postfix breaks words and ours does not", async () => {
    const field = FIELDS["message ids"]!;
    expect(theirs.get("message ids")).toMatch(/<[^>\r]*\r\n [^<\r]*>/);
    const folded = headerOf(sent(await stored(field, {})));
    expect(folded).not.toMatch(/<[^>\r]*\r\n [^<\r]*>/);
    expect(unfolded(folded)).toContain(field);
  }, 60_000);
});
