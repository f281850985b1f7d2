// config/production as it is, but for its folders, its ports and a certificate: users send over 587 and 465, and are refused where they must be.
import { expect } from "bun:test";
import { connect as connectTcp } from "node:net";
import { connect as connectTls } from "node:tls";
import { selfSigned } from "../../kit/memory/self_signed.ts";
import { withPeers } from "../../kit/peers.ts";
import {
  type Production,
  type ProductionPorts,
  SECRET,
  startProduction,
} from "../../kit/servers/production.ts";
import { secure, type Talk, talk, talkTls } from "../../kit/talk.ts";

const { afterAll, beforeAll, describe, test } = withPeers(import.meta.path, "dist/mta", "openssl");

let production: Production | undefined;
let ports: ProductionPorts;

beforeAll(async () => {
  production = await startProduction(selfSigned("mail.example.com"));
  ({ ports } = production);
}, 120_000);

afterAll(async () => {
  await production?.stop();
});

const plain = (secret = SECRET) =>
  `AUTH PLAIN ${Buffer.from(`\0ann@example.com\0${secret}`).toString("base64")}`;
const LOGGED_IN = "235 2.7.0 Authentication successful";

async function over587(): Promise<Talk> {
  const smtp = await talk(ports.submission);
  await smtp.say("EHLO phone.example");
  expect(await smtp.say("STARTTLS")).toStartWith("220 ");
  const secured = await secure(smtp);
  await secured.say("EHLO phone.example");
  return secured;
}

async function over465(): Promise<Talk> {
  const smtp = await talkTls(ports.submissions);
  await smtp.say("EHLO phone.example");
  return smtp;
}

const WAYS: readonly (readonly [string, () => Promise<Talk>])[] = [
  ["587 after STARTTLS", over587],
  ["465", over465],
];

describe.each(WAYS)("over %s", (_name, open) => {
  test("a user sends mail to anybody, as himself alone", async () => {
    const { say, end } = await open();
    expect(await say(plain())).toBe(LOGGED_IN);
    for (const from of ["bob@example.com", "ceo@elsewhere.example"]) {
      await say(`MAIL FROM:<${from}>`);
      expect(await say("RCPT TO:<carl@elsewhere.example>")).toBe(
        `553 5.7.1 <${from}>: Sender address rejected: not owned by user ann@example.com`,
      );
      await say("RSET");
    }
    expect(await say("MAIL FROM:<ann@example.com>")).toBe("250 2.1.0 Ok");
    expect(await say("RCPT TO:<carl@elsewhere.example>")).toBe("250 2.1.5 Ok");
    expect(await say("DATA")).toStartWith("354 ");
    expect(await say("Subject: hello\r\n\r\nhello\r\n.")).toStartWith("250 2.0.0 Ok: queued as ");
    end();
  });

  test("nobody sends anything without a login, to our own domain neither", async () => {
    const { say, end } = await open();
    expect(await say(plain("wrong"))).toStartWith("535 5.7.8 ");
    for (const to of ["carl@elsewhere.example", "ann@example.com"]) {
      await say("MAIL FROM:<carl@elsewhere.example>");
      expect(await say(`RCPT TO:<${to}>`)).toBe(
        "553 5.7.1 <carl@elsewhere.example>: Sender address rejected: not logged in",
      );
      await say("RSET");
      await say("MAIL FROM:<>");
      expect(await say(`RCPT TO:<${to}>`)).toBe(
        `554 5.7.1 <${to}>: Recipient address rejected: Access denied`,
      );
      await say("RSET");
    }
    end();
  });
});

test("587 takes no password, and no mail, in the clear", async () => {
  const { say, end } = await talk(ports.submission);
  const features = await say("EHLO phone.example");
  expect(features).toContain("250-STARTTLS");
  expect(features).not.toContain("AUTH");
  expect(await say(plain())).toBe("530 5.7.0 Must issue a STARTTLS command first");
  expect(await say("MAIL FROM:<ann@example.com>")).toBe("530 5.7.0 Must issue a STARTTLS command first");
  end();
});

test("port 25 takes mail for us without a login, asks for none, and relays nothing", async () => {
  const { say, end } = await talk(ports.smtp);
  expect(await say("EHLO mx.example")).not.toContain("AUTH");
  await say("MAIL FROM:<>");
  expect(await say("RCPT TO:<ann@example.com>")).toBe("250 2.1.5 Ok");
  expect(await say("RCPT TO:<carl@elsewhere.example>")).toStartWith("554 5.7.1 ");
  end();
});

/** PROXY headers that say a client came from 203.0.113.9. */
const HEADERS: readonly (readonly [string, Buffer])[] = [
  ["v1", Buffer.from("PROXY TCP4 203.0.113.9 192.0.2.25 40000 465\r\n")],
  [
    "v2",
    Buffer.from("0d0a0d0a000d0a515549540a" + "2111000c" + "cb007109" + "c0000219" + "9c40" + "01d1", "hex"),
  ],
];

/** The greeting of a service behind a proxy: after the header, under TLS from the start or not. */
function greeted(
  port: number,
  header: Buffer | undefined,
  wrapped: boolean,
  localAddress = "127.0.0.1",
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ port, host: "127.0.0.1", localAddress });
    socket.on("error", reject).on("close", () => resolve("closed"));
    if (header !== undefined) socket.write(header);
    const over = wrapped ? connectTls({ socket, rejectUnauthorized: false }) : socket;
    over.on("error", () => resolve("closed"));
    over.on("data", (chunk: Buffer) => {
      resolve(chunk.toString("latin1").slice(0, 4));
      socket.destroy();
    });
  });
}

test.each(HEADERS)(
  "PROXY protocol %s stands before 587, and before the handshake of 465",
  async (_version, header) => {
    expect(await greeted(ports.proxied, header, false)).toBe("220 ");
    expect(await greeted(ports.proxiedTls, header, true)).toBe("220 ");
    // Nor from where no proxy of ours is.
    expect(await greeted(ports.proxied, header, false, "127.0.0.2")).toBe("421 ");
    expect(await greeted(ports.proxiedTls, header, true, "127.0.0.2")).toBe("closed");
    // Where no proxy stands in front, what it says is no SMTP and no TLS.
    expect(await greeted(ports.submissions, header, true)).not.toBe("220 ");
  },
  60_000,
);
