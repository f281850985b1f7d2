import { expect, test } from "bun:test";
import { memoryConnectionOf, type MemorySmtpd, memorySmtpd } from "../../../test/kit/memory/memory_smtpd.ts";
import { behindProxy } from "./upstream_proxy.ts";

const SETTINGS = {
  mynetworks: "127.0.0.0/8",
  smtpd_relay_restrictions: "permit_mynetworks, defer_unauth_destination",
};
const HEADER = "PROXY TCP4 192.0.2.7 192.0.2.1 1234 25\r\n";
const LOCAL = Buffer.from("0d0a0d0a000d0a515549540a20000000", "hex");

function proxied(
  program: "smtpd" | "postscreen" = "smtpd",
  trusts?: (address: string) => boolean | Promise<boolean>,
) {
  const memory: MemorySmtpd = memorySmtpd(SETTINGS);
  const { log, clock } = memory;
  const smtpd = behindProxy(memory.smtpd, {
    program,
    timeout: 5_000,
    families: new Set([4, 6]),
    myhostname: "mail.example.com",
    portLogging: false,
    log,
    clock,
    trusts,
  });
  return { ...memory, smtpd, connect: () => memoryConnectionOf(smtpd, "127.0.0.1") };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const RELAY = "HELO a.example\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@elsewhere.example>\r\n";

test("a stranger behind a trusted proxy is a stranger", async () => {
  const { connect, log } = proxied();
  const client = connect();
  client.send(HEADER);
  await turn();
  expect(client.read()).toStartWith("220 ");
  client.send(RELAY);
  await turn();
  expect(client.read()).toEndWith("454 4.7.1 <b@elsewhere.example>: Relay access denied\r\n");
  expect(log.lines.join("\n")).toContain("connect from unknown[192.0.2.7]");
});

test("who is no proxy of ours speaks for nobody, not for himself either", async () => {
  for (
    const answer of [
      () => false,
      () => Promise.resolve(false),
      () => Promise.reject(new Error("no table")),
    ]
  ) {
    const { connect, log } = proxied("smtpd", answer);
    const client = connect();
    client.send(`${HEADER}${RELAY}`);
    await turn();
    expect(client.read()).toBe("421 4.3.0 mail.example.com Server local error\r\n");
    expect(client.closed).toBe(true);
    expect(log.lines.join("\n")).toContain("127.0.0.1 is no proxy of ours (smtpd_upstream_proxy_networks)");
    expect(log.lines.join("\n")).not.toContain("192.0.2.7]");
  }
});

test("what comes before it is known who connects is read then", async () => {
  const known = Promise.withResolvers<boolean>();
  const { connect } = proxied("smtpd", () => known.promise);
  const client = connect();
  client.send(HEADER);
  await turn();
  expect(client.read()).toBe("");
  known.resolve(true);
  await turn();
  expect(client.read()).toStartWith("220 ");
});

test("the proxy speaks for itself where it says so", async () => {
  const { connect } = proxied();
  const client = connect();
  client.send(LOCAL);
  await turn();
  client.send(RELAY);
  await turn();
  expect(client.read()).toEndWith("250 2.1.5 Ok\r\n");
});

test("a header that comes in pieces, with the client's first bytes behind it, is read", async () => {
  const { connect, log } = proxied();
  const client = connect();
  for (const byte of HEADER) client.send(byte);
  client.send("EHLO early\r\n");
  await turn();
  expect(client.read()).toStartWith("220 ");
  expect(log.lines.join("\n")).toContain("improper command pipelining after CONNECT from unknown[192.0.2.7]");
});

test.each(
  [
    [
      "smtpd",
      "HELO a\r\n",
      "421 4.3.0 mail.example.com Server local error\r\n",
      "unrecognized protocol header: HELO a",
    ],
    ["postscreen", "HELO a\r\n", "421 4.3.2 No system resources\r\n", "unrecognized protocol header: HELO a"],
    [
      "smtpd",
      "PROXY UNKNOWN\r\n",
      "421 4.3.0 mail.example.com Server local error\r\n",
      "bad or missing protocol type",
    ],
  ] as const,
)("%s: whoever sends no header is gone: %j", async (program, sent, reply, warning) => {
  const { connect, log } = proxied(program);
  const client = connect();
  client.send(`${sent}${RELAY}`);
  await turn();
  expect(client.read()).toBe(reply);
  expect(client.closed).toBe(true);
  expect(log.lines.join("\n")).toContain(`warning: haproxy read: ${warning}`);
});

test("without a header there is no session, and its deadline is not extended by single bytes", async () => {
  const { connect, clock, log, smtpd } = proxied();
  const [silent, slow] = [connect(), connect()];
  expect(smtpd.waiting).toBe(2);
  slow.send("P");
  await clock.advance(4_000);
  slow.send("R");
  expect(silent.read() + slow.read()).toBe("");
  await clock.advance(1_001);
  expect(silent.closed && slow.closed).toBe(true);
  expect(smtpd.waiting).toBe(0);
  expect(log.lines.join("\n")).toContain("warning: haproxy read: timeout error");
  expect(log.lines.join("\n")).toContain("warning: haproxy read: missing protocol header terminator: PR");
});

test("a stop in a hurry ends who has not said a header yet", () => {
  const { connect, smtpd } = proxied();
  const client = connect();
  smtpd.stop(AbortSignal.abort());
  expect([client.closed, connect().closed]).toEqual([true, true]);
});

test("an end without a hurry waits for headers, and tells whom they speak for", async () => {
  const { connect, smtpd } = proxied();
  const before = connect();
  const hurry = new AbortController();
  smtpd.stop(hurry.signal);
  const after = connect();
  let drained = false;
  void smtpd.drained().then(() => drained = true);
  for (const client of [before, after]) {
    await turn();
    expect([client.closed, drained]).toEqual([false, false]);
    client.send(HEADER);
    await turn();
    expect(client.read()).toMatch(/^421 4\.3\.2 mail\.example\.com Service shutting down/);
    expect(client.closed).toBe(true);
  }
  await turn();
  expect(drained).toBe(true);
});
