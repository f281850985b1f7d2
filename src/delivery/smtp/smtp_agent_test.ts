import { internalAddress } from "../../address/address.ts";
import { afterEach, expect, test } from "bun:test";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { jobOf, outcomeLines, type TestAgent, testAgent } from "../../../test/kit/scenes/smtp_delivery.ts";
import { type PeerScript, type SmtpPeer, startSmtpPeer } from "../../../test/kit/servers/smtp_peer.ts";

import type { Settings } from "../../config/parameters/settings_type.ts";
import { createFindAddress } from "../../rewrite/find_address.ts";
import type { LocalDomains } from "../../rewrite/local_domains.ts";
import { createOpenTables } from "../../rewrite/open_tables.ts";
import { until } from "../../../test/kit/waiting.ts";

const peers: SmtpPeer[] = [];
const agents: TestAgent[] = [];
const FULL = ["PIPELINING", "8BITMIME", "SIZE", "DSN"];

async function peerWith(script: PeerScript = {}, where = {}): Promise<SmtpPeer> {
  const peer = await startSmtpPeer(script, where);
  peers.push(peer);
  return peer;
}

function agentWith(...args: Parameters<typeof testAgent>): TestAgent {
  const agent = testAgent(...args);
  agents.push(agent);
  return agent;
}

afterEach(async () => {
  for (const { agent } of agents.splice(0)) await agent.close();
  for (const peer of peers.splice(0)) await peer.close();
});

const to = (peer: SmtpPeer) => `[127.0.0.1]:${peer.port}`;
const OK = /^sent 2\.0\.0 127\.0\.0\.1\[127\.0\.0\.1\]:\d+ \(250 2\.0\.0 Ok: queued as 12345\)$/;

test("a second message goes over the same connection, in two packets", async () => {
  const peer = await peerWith();
  const { deliver } = agentWith();
  await deliver({ nexthop: to(peer) });
  const before = peer.packets;
  const report = await deliver({ nexthop: to(peer) });
  expect([peer.connections, peer.packets - before, report.connectionUse]).toEqual([1, 2, 2]);
});

test("without more to come the connection is closed politely, in the same packet", async () => {
  const peer = await peerWith();
  const { deliver } = agentWith();
  await deliver({ nexthop: to(peer), more: false });
  await until("the peer has seen it", () => peer.open === 0);
  expect([peer.packets, peer.lines.at(-1), peer.open]).toEqual([3, "QUIT", 0]);
});

test("a kept connection ends with QUIT when its time is over", async () => {
  const peer = await peerWith();
  const { deliver } = agentWith({ smtp_connection_cache_time_limit: 0.05 });
  await deliver({ nexthop: to(peer) });
  await until("the peer has seen it", () => peer.open === 0);
  expect(peer.lines.at(-1)).toBe("QUIT");
  expect((await deliver({ nexthop: to(peer) })).connectionUse).toBeUndefined();
});

test("closing the agent says goodbye on every kept connection", async () => {
  const peer = await peerWith();
  const { agent, deliver } = agentWith();
  await Promise.all([deliver({ nexthop: to(peer) }), deliver({ nexthop: to(peer) })]);
  expect(peer.connections).toBe(2);
  await agent.close();
  await until("the peer has seen it", () => peer.open === 0);
  expect(peer.lines.filter((line) => line === "QUIT").length).toBe(2);
});

test("a kept connection that died is replaced, and nobody notices", async () => {
  for (const script of [{ dropBeforeMail: 2 }, { dropBeforeMail: 2, ehlo: [] }]) {
    const peer = await peerWith(script);
    const { deliver, lines } = agentWith();
    for (let i = 0; i < 3; i++) {
      expect(outcomeLines(await deliver({ nexthop: to(peer) }))).toEqual([expect.stringMatching(OK)]);
    }
    expect([peer.connections, peer.mails.length, lines]).toEqual([3, 3, []]);
  }
});

test("421 to the second MAIL on a kept connection means another connection", async () => {
  let mails = 0;
  const peer = await peerWith({ mail: () => ++mails === 2 ? "421 4.7.0 enough" : "250 ok" });
  const { deliver } = agentWith();
  await deliver({ nexthop: to(peer) });
  expect(outcomeLines(await deliver({ nexthop: to(peer) }))).toEqual([expect.stringMatching(OK)]);
  expect(peer.connections).toBe(2);
});

test("a server that takes three messages a connection is asked for a fourth only once", async () => {
  let mails = 0;
  const peer = await peerWith({ mail: () => ++mails === 4 ? "421 4.7.0 too many messages" : "250 ok" });
  const { deliver } = agentWith();
  const uses: (number | undefined)[] = [];
  for (let i = 0; i < 9; i++) uses.push((await deliver({ nexthop: to(peer) })).connectionUse);
  const three = [undefined, 2, 3];
  expect([uses, peer.connections]).toEqual([[...three, ...three, ...three], 3]);
});

test("what a server takes over a connection is forgotten after smtp_connection_reuse_time_limit", async () => {
  let [mails, now] = [0, 0];
  const peer = await peerWith({ mail: () => ++mails === 2 ? "421 4.7.0 too many messages" : "250 ok" });
  const { deliver } = agentWith({}, { now: () => now });
  const uses: (number | undefined)[] = [];
  for (let i = 0; i < 5; i++) {
    if (i === 3) now = 300_000;
    uses.push((await deliver({ nexthop: to(peer) })).connectionUse);
  }
  expect(uses).toEqual([undefined, undefined, undefined, undefined, 2]);
});

test("a connection waits for the next message where mail comes often, though none waits yet", async () => {
  const peer = await peerWith();
  const { deliver } = agentWith();
  const uses: (number | undefined)[] = [];
  for (let i = 0; i < 4; i++) uses.push((await deliver({ nexthop: to(peer), more: false })).connectionUse);
  expect([uses, peer.connections]).toEqual([[undefined, undefined, 2, 3], 2]);
});

test("a server that says something unasked is not spoken to again", async () => {
  const peer = await peerWith({ dot: "250 ok\r\n421 4.4.2 idle too long" });
  const { deliver } = agentWith();
  await deliver({ nexthop: to(peer) });
  await deliver({ nexthop: to(peer) });
  expect(peer.connections).toBe(2);
});

test("smtp_connection_reuse_count_limit ends a connection", async () => {
  const peer = await peerWith();
  const { deliver } = agentWith({ smtp_connection_reuse_count_limit: 2 });
  const uses: (number | undefined)[] = [];
  for (let i = 0; i < 4; i++) uses.push((await deliver({ nexthop: to(peer) })).connectionUse);
  expect([uses, peer.connections]).toEqual([[undefined, 2, undefined, 2], 2]);
});

test("smtp_connection_cache_on_demand = no keeps nothing, but for listed destinations", async () => {
  const peer = await peerWith();
  const none = agentWith({ smtp_connection_cache_on_demand: false });
  for (let i = 0; i < 2; i++) await none.deliver({ nexthop: to(peer) });
  expect(peer.connections).toBe(2);
  const listed = agentWith({
    smtp_connection_cache_on_demand: false,
    smtp_connection_cache_destinations: "127.0.0.1",
  });
  for (let i = 0; i < 2; i++) await listed.deliver({ nexthop: to(peer), more: false });
  expect(peer.connections).toBe(3);
});

test("a syntax error spoils the connection, an ordinary refusal does not", async () => {
  for (const [reply, connections] of [["501 5.5.4 what", 2], ["550 5.1.1 who", 1]] as const) {
    const peer = await peerWith({ rcpt: reply });
    const { deliver } = agentWith();
    for (let i = 0; i < 2; i++) await deliver({ nexthop: to(peer) });
    expect([reply, peer.connections]).toEqual([reply, connections]);
  }
});

test("after a refusal the next message starts clean", async () => {
  let count = 0;
  const peer = await peerWith({ ehlo: [], rcpt: () => ++count === 1 ? "550 5.1.1 no" : "250 ok" });
  const { deliver } = agentWith();
  await deliver({ nexthop: to(peer) });
  expect(outcomeLines(await deliver({ nexthop: to(peer) }))).toEqual([expect.stringMatching(OK)]);
  expect(peer.lines.slice(1, 5).map((line) => line.slice(0, 4))).toEqual(["MAIL", "RCPT", "RSET", "MAIL"]);
});

test("NOTIFY=SUCCESS is passed on to a server with DSN, and the report says so", async () => {
  const recipient = {
    address: internalAddress("bob@example.net"),
    original: internalAddress("Bob+x@example.net"),
    notify: 2,
    orcpt: "rfc822;b=b@x.example",
  };
  const knows = await peerWith({ ehlo: FULL });
  const knowsNot = await peerWith();
  const { deliver } = agentWith();
  const passed = await deliver({ nexthop: to(knows), to: [recipient] });
  const kept = await deliver({ nexthop: to(knowsNot), to: [recipient] });
  expect(knows.lines[2]).toBe("RCPT TO:<bob@example.net> ORCPT=rfc822;b+3Db@x.example NOTIFY=SUCCESS");
  expect(knowsNot.lines[2]).toBe("RCPT TO:<bob@example.net>");
  const [first, second] = [passed.outcomes[0]!, kept.outcomes[0]!];
  expect([first.is === "sent" && first.passedOn, second.is === "sent" && second.passedOn]).toEqual([
    true,
    false,
  ]);
});

test("details of an outcome carry what a notification needs", async () => {
  const peer = await peerWith({ rcpt: "550-5.1.1 one\r\n550 5.1.1 two" });
  const { outcomes } = await agentWith().deliver({ nexthop: to(peer) });
  expect(outcomes[0]!.detail).toEqual({
    status: "5.1.1",
    text: "host 127.0.0.1[127.0.0.1] said: 550-5.1.1 one 550 5.1.1 two (in reply to RCPT TO command)",
    action: "failed",
    remoteMta: "127.0.0.1",
    diagnosticType: "smtp",
    diagnostic: "550-5.1.1 one 550 5.1.1 two",
  });
});

test("a host that cannot be talked to makes the destination dead, a refused message does not", async () => {
  const rows: readonly (readonly [PeerScript, boolean])[] = [
    [{ greeting: "421 4.3.2 busy" }, true],
    [{ greeting: "drop" }, true],
    [{ mail: "drop" }, true],
    [{ mail: "451 4.3.0 later" }, false],
    [{ rcpt: "450 4.2.1 later" }, false],
    [{ greeting: "550 5.7.1 never" }, false],
  ];
  for (const [script, dead] of rows) {
    const peer = await peerWith(script);
    const report = await agentWith({ smtp_skip_5xx_greeting: false }).deliver({ nexthop: to(peer) });
    expect([script, report.deadSite !== undefined]).toEqual([script, dead]);
  }
});

test("set-up and transmission take the time they take", async () => {
  let now = 0;
  const peer = await peerWith({ greeting: "silent" });
  const agent = agentWith({ smtp_helo_timeout: 0.05 }, { now: () => now += 1000 });
  const report = await agent.deliver({ nexthop: to(peer) });
  expect(report.setup).toBeGreaterThan(0);
  expect(report.transmission).toBe(1000);
});

test("content in many chunks arrives whole, dots doubled", async () => {
  const content = `Subject: big\r\n\r\n${`.line ${"x".repeat(70)}\r\n`.repeat(20_000)}`;
  const peer = await peerWith();
  const report = await agentWith().deliver({ nexthop: to(peer), content, chunk: 65_521 });
  expect(outcomeLines(report)).toEqual([expect.stringMatching(OK)]);
  expect(peer.mails[0]!.content === content).toBe(true);
});

test("a connection lost in the middle of the content is named so", async () => {
  const content = "x".repeat(990).concat("\r\n").repeat(20_000);
  const peer = await peerWith({ ehlo: ["PIPELINING"], dot: "drop-in-body" });
  const report = await agentWith().deliver({ nexthop: to(peer), content, chunk: 1 << 20 });
  expect(outcomeLines(report)).toEqual([
    `deferred 4.4.2 127.0.0.1[127.0.0.1]:${peer.port} ` +
    "(lost connection with 127.0.0.1[127.0.0.1] while sending message body)",
  ]);
});

/** A server that answers up to DATA and then never reads again. */
async function deafServer(): Promise<{ port: number; close: () => void }> {
  const sockets: net.Socket[] = [];
  const server = net.createServer((socket) => {
    sockets.push(socket);
    socket.write("220 x\r\n");
    socket.on("data", (chunk) => {
      for (const line of chunk.toString().split("\r\n").filter((text) => text !== "")) {
        socket.write(line === "DATA" ? "354 go\r\n" : "250 ok\r\n");
        if (line === "DATA") socket.pause();
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const close = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  return { port: typeof address === "object" && address !== null ? address.port : 0, close };
}

test("a server that does not read runs into smtp_data_xfer_timeout", async () => {
  const server = await deafServer();
  const content = "x".repeat(990).concat("\r\n").repeat(40_000);
  const report = await agentWith({ smtp_data_xfer_timeout: 0.3 }).deliver({
    nexthop: `[127.0.0.1]:${server.port}`,
    content,
    chunk: 1 << 20,
  });
  expect(outcomeLines(report)[0]).toContain("timed out while sending message body");
  server.close();
});

test("an answer that drips in for ever ends by smtp_per_request_deadline", async () => {
  const server = net.createServer((socket) => {
    const drip = setInterval(() => socket.write("2"), 20);
    socket.on("close", () => clearInterval(drip));
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const port = (server.address() as net.AddressInfo).port;
  const agent = agentWith({ smtp_per_request_deadline: true, smtp_helo_timeout: 0.2 });
  const report = await agent.deliver({ nexthop: `[127.0.0.1]:${port}` });
  expect(outcomeLines(report)[0]).toContain("timed out while receiving the initial server greeting");
  server.close();
});

test("a stopping service interrupts a delivery, and the mail waits", async () => {
  for (
    const [script, step] of [
      [{ greeting: "silent" }, ""],
      [{ ehlo: [], mail: "silent" }, "MAIL"],
      [{ ehlo: [], rcpt: "silent" }, "RCPT"],
      [{ data: "silent" }, "DATA"],
    ] as const
  ) {
    const peer = await peerWith(script);
    const stop = new AbortController();
    const { deliver, lines } = agentWith();
    const delivery = deliver({ nexthop: to(peer) }, stop.signal);
    const asked = () =>
      peer.connections > 0 && (step === "" || peer.lines.some((line) => line.startsWith(step)));
    await until(`the peer has been asked ${step}`, asked);
    stop.abort();
    const { outcomes: [outcome], deadSite } = await delivery;
    expect(outcome).toMatchObject({ is: "deferred", interrupted: true });
    // What we interrupt ourselves is no failure of the destination.
    expect([deadSite, lines]).toEqual([undefined, []]);
  }
});

test("a stopping service waits for the answer to an end of data that has gone out", async () => {
  const stop = new AbortController();
  const peer = await peerWith({ dot: () => (stop.abort(), "250 2.0.0 Ok: queued as 12345") });
  const report = await agentWith().deliver({ nexthop: to(peer) }, stop.signal);
  expect(outcomeLines(report)).toEqual([expect.stringMatching(OK)]);
  expect(peer.mails).toHaveLength(1);
});

test("LMTP over a socket", async () => {
  const socket = path.join(os.tmpdir(), `lmtp-test-${process.pid}`);
  const peer = await peerWith({}, { path: socket });
  const { deliver } = agentWith({}, { program: "lmtp" });
  for (const uses of [undefined, 2]) {
    const report = await deliver({ nexthop: `unix:${socket}`, to: ["a@example.net", "b@example.net"] });
    expect(outcomeLines(report)).toEqual(
      Array(2).fill(`sent 2.0.0 mail.example.com[${socket}] (250 2.0.0 Ok: queued as 12345)`),
    );
    expect(report.connectionUse).toBe(uses);
  }
  expect(peer.lines[0]).toBe("LHLO mail.example.com");
});

test("a socket that is not there", async () => {
  const { deliver, lines } = agentWith({}, { program: "lmtp" });
  const report = await deliver({ nexthop: "unix:/nonexistent/lmtp" });
  const text = "connect to mail.example.com[/nonexistent/lmtp]: No such file or directory";
  expect(outcomeLines(report)).toEqual([`deferred 4.4.1 none (${text})`]);
  expect(lines).toEqual([`lmtp: ${text}`]);
});

test("final LMTP delivery is reported as delivered, unless the server knows DSN", async () => {
  const plain = await peerWith({ lhlo: ["PIPELINING"] });
  const withDsn = await peerWith({ lhlo: ["PIPELINING", "DSN"] });
  const { deliver } = agentWith({}, { program: "lmtp", flags: "X" });
  const action = async (peer: SmtpPeer) =>
    (await deliver({ nexthop: `inet:127.0.0.1:${peer.port}` })).outcomes[0]!.detail.action;
  expect([await action(plain), await action(withDsn)]).toEqual(["delivered", "relayed"]);
});

test("flags= puts trace lines on top", async () => {
  const peer = await peerWith();
  const recipient = {
    address: internalAddress("bob@example.net"),
    original: internalAddress("Info@example.net"),
    notify: 0,
  };
  await agentWith({}, { flags: "DRO" }).deliver({ nexthop: to(peer), to: [recipient] });
  expect(peer.mails[0]!.content.split("\r\n").slice(0, 4)).toEqual([
    "Return-Path: <ann@example.com>",
    "X-Original-To: Info@example.net",
    "Delivered-To: bob@example.net",
    "Subject: test",
  ]);
});

function rewriting(tables: Readonly<Record<string, string>>) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "generic-"));
  for (const [name, text] of Object.entries(tables)) fs.writeFileSync(path.join(directory, name), text);
  const openTables = createOpenTables({
    directory,
    parameter: () => undefined,
    warn: () => {},
    clock: () => 0,
  });
  const settings = { recipient_delimiter: "+", owner_request_special: false, myorigin: "example.com" };
  const local = { isLocal: () => false } as unknown as LocalDomains;
  return { directory, tools: { openTables, find: createFindAddress(settings as Settings, local) } };
}

test("smtp_generic_maps changes envelope and header addresses on the way out", async () => {
  const peer = await peerWith();
  const { directory, tools } = rewriting({
    generic: "ann@example.com ann@public.example\n@inside.example @outside.example\n",
  });
  const agent = agentWith({ smtp_generic_maps: `texthash:${directory}/generic` }, { rewriting: tools });
  const content =
    'From: "Ann" <ann@example.com>\r\nTo: x@inside.example,\r\n y@other.example\r\nSubject: ann@example.com\r\n' +
    "\r\nann@example.com\r\n";
  await agent.deliver({ nexthop: to(peer), chunk: 7, content, to: ["z@inside.example"] });
  expect(peer.lines.slice(1, 3).map((line) => line.replace(/ .*IZE=.*| $/, ""))).toEqual([
    "MAIL",
    "RCPT TO:<z@outside.example>",
  ]);
  expect(peer.mails[0]!.from).toBe("ann@public.example");
  expect(peer.mails[0]!.content).toBe(
    'From: "Ann" <ann@public.example>\r\nTo: x@outside.example, y@other.example\r\nSubject: ann@example.com\r\n' +
      "\r\nann@example.com\r\n",
  );
});

test("smtp_discard_ehlo_keyword_address_maps makes a server's word not count", async () => {
  const peer = await peerWith();
  const { directory, tools } = rewriting({ discard: "127.0.0.1 pipelining, size\n" });
  const maps = `texthash:${directory}/discard`;
  const agent = agentWith({ smtp_discard_ehlo_keyword_address_maps: maps }, { rewriting: tools });
  await agent.deliver({ nexthop: to(peer) });
  expect([peer.packets, peer.lines[1]]).toEqual([5, "MAIL FROM:<ann@example.com>"]);
});

test("a table that cannot be asked makes the mail wait", async () => {
  const peer = await peerWith();
  const { tools } = rewriting({});
  const agent = agentWith({ smtp_discard_ehlo_keyword_address_maps: "texthash:/nonexistent/x" }, {
    rewriting: tools,
  });
  const report = await agent.deliver({ nexthop: to(peer) });
  expect(report.outcomes[0]!.detail).toMatchObject({
    status: "4.3.0",
    text: "local data error while talking to 127.0.0.1[127.0.0.1]",
  });
});

test("without tables a setting that needs them is not passed over in silence", () => {
  const { lines } = agentWith({ smtp_generic_maps: "texthash:/etc/postfix/generic" });
  expect(lines).toEqual([
    'smtp: warning: smtp client: no tables here: "texthash:/etc/postfix/generic " has no effect',
  ]);
});

test("UTF-8 addresses need a server that takes them", async () => {
  const without = await peerWith();
  const { deliver } = agentWith();
  const job = { smtputf8: true, sender: internalAddress("jürgen@example.com") };
  expect(outcomeLines(await deliver({ ...job, nexthop: to(without) }))).toEqual([
    `bounced 5.6.7 127.0.0.1[127.0.0.1]:${without.port} ` +
    "(SMTPUTF8 is required, but was not offered by host 127.0.0.1[127.0.0.1])",
  ]);
  const ascii = await deliver({ nexthop: to(without), smtputf8: true });
  expect(outcomeLines(ascii)).toEqual([expect.stringMatching(OK)]);
});

test("no address can smuggle a command in", async () => {
  const peer = await peerWith();
  const { deliver } = agentWith();
  const report = await deliver({ nexthop: to(peer), to: ["ok@example.net", "a\r\nDATA\r\n@example.net"] });
  expect(outcomeLines(report)).toEqual([
    expect.stringMatching(OK),
    `bounced 5.1.3 127.0.0.1[127.0.0.1]:${peer.port} (bad recipient address syntax)`,
  ]);
  const sender = await deliver({ nexthop: to(peer), sender: internalAddress("x\r\nRSET\r\n@example.com") });
  expect(sender.outcomes[0]!.detail.status).toBe("5.1.7");
  expect(peer.lines.filter((line) => /^(DATA|RSET)/.test(line))).toEqual(["DATA"]);
});

test("a probe asks about the recipient and sends nothing", async () => {
  const peer = await peerWith({ rcpt: (line) => line.includes("bad") ? "550 5.1.1 no" : "250 2.1.5 Ok" });
  const report = await agentWith().deliver({
    nexthop: to(peer),
    kind: "probe",
    to: ["a@example.net", "bad@example.net"],
  });
  expect(report.outcomes.map(({ is, detail }) => `${is} ${detail.text.slice(0, 12)}`)).toEqual([
    "sent 250 2.1.5 Ok",
    "bounced host 127.0.0",
  ]);
  expect([peer.mails, peer.lines.includes("DATA")]).toEqual([[], false]);
});

test("a probe up to DATA hangs up instead of sending", async () => {
  const peer = await peerWith();
  const { deliver } = agentWith({ smtp_address_verify_target: "data" });
  const report = await deliver({ nexthop: to(peer), kind: "probe" });
  await until("the peer has seen it", () => peer.open === 0);
  expect([report.outcomes[0]!.is, peer.lines.at(-1), peer.mails]).toEqual(["sent", "DATA", []]);
});

test("XFORWARD tells where a message came from", async () => {
  const peer = await peerWith({ ehlo: ["PIPELINING", "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"] });
  const agent = agentWith({ smtp_send_xforward_command: true });
  const origin = {
    clientName: "unknown",
    clientAddress: "192.0.2.7",
    clientPort: 1234,
    helo: "a b",
    protocol: "ESMTP",
  };
  await agent.deliver({ nexthop: to(peer), origin });
  expect(peer.lines.slice(1, 3)).toEqual([
    "XFORWARD ADDR=192.0.2.7 PORT=1234",
    "XFORWARD PROTO=ESMTP HELO=a+20b IDENT=4ABCDEF0123 SOURCE=REMOTE",
  ]);
});

test("smtp_bind_address decides where mail comes from", async () => {
  const seen: (string | undefined)[] = [];
  const server = net.createServer((socket) => {
    seen.push(socket.remoteAddress);
    socket.end("421 no\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const nexthop = `[127.0.0.1]:${(server.address() as net.AddressInfo).port}`;
  await agentWith({ smtp_bind_address: "127.0.0.3" }).deliver({ nexthop });
  const wrong = agentWith({ smtp_bind_address: "192.0.2.1" });
  await wrong.deliver({ nexthop });
  const strict = agentWith({ smtp_bind_address: "192.0.2.1", smtp_bind_address_enforce: true });
  const report = await strict.deliver({ nexthop });
  expect(seen.map((address) => address === "127.0.0.3")).toEqual([true, false]);
  expect(wrong.lines[0]).toBe(
    "smtp: warning: smtp_connect_addr: bind 192.0.2.1: Cannot assign requested address",
  );
  expect(outcomeLines(report)).toEqual(["deferred 4.4.0 none (server configuration error)"]);
  server.close();
});

test("a next hop that is none is the operator's mistake: the mail waits", async () => {
  for (const nexthop of ["[127.0.0.1", "127.0.0.1:nosuchservice", "[127.0.0.1]:0", "[]", "a b_-.example"]) {
    const { deliver, lines } = agentWith();
    const report = await deliver({ nexthop: nexthop.replace("a b", "b") });
    expect(outcomeLines(report)[0]).toStartWith("deferred 4.3.5 none (mail system configuration error: ");
    expect(lines.length).toBe(1);
  }
});

test("the reply 221 to the end of data does not count as acceptance", async () => {
  const peer = await peerWith({ dot: "silent" });
  const report = await agentWith().deliver({ nexthop: to(peer), more: false });
  expect(outcomeLines(report)[0]).toContain("while sending end of data");
});

test("many messages at a time each get their own outcome", async () => {
  const peer = await peerWith({ rcpt: (line) => line.includes("bad") ? "550 5.1.1 no" : "250 ok" });
  const { deliver } = agentWith();
  const reports = await Promise.all(
    Array.from(
      { length: 200 },
      (_, i) => deliver({ nexthop: to(peer), to: [`${i % 3 ? "u" : "bad"}${i}@example.net`] }),
    ),
  );
  expect(reports.map(({ outcomes }) => outcomes[0]!.is)).toEqual(
    Array.from({ length: 200 }, (_, i) => i % 3 ? "sent" : "bounced"),
  );
  // Where DATA went out with a recipient that was refused, an empty message follows; nobody gets it.
  expect(new Set(peer.mails.flatMap((mail) => mail.to)).size).toBe(133);
});

test("content that cannot be read defers the mail and hangs up", async () => {
  const peer = await peerWith();
  const agent = agentWith();
  const job = jobOf({ nexthop: to(peer), chunk: 10 });
  const broken = {
    ...job,
    content: {
      ...job.content,
      async *chunks() {
        yield Buffer.from("Subject: half\r\n");
        throw new Error("Cannot read message 4ABCDEF0123: Input/output error");
      },
    },
  };
  const report = await agent.agent.deliver(broken, new AbortController().signal);
  expect(outcomeLines(report)).toEqual([
    `deferred 4.3.0 127.0.0.1[127.0.0.1]:${peer.port} (local data error while talking to 127.0.0.1[127.0.0.1])`,
  ]);
  await until("the peer has seen it", () => peer.open === 0);
  expect([peer.open, peer.mails]).toEqual([0, []]);
});

test("with smtp_skip_quit_response = no the answer to QUIT is waited for", async () => {
  const peer = await peerWith({ quit: "silent" });
  const { deliver } = agentWith({ smtp_skip_quit_response: false, smtp_quit_timeout: 0.1 });
  await deliver({ nexthop: to(peer), more: false });
  await until("the peer has seen it", () => peer.lines.at(-1) === "QUIT");
  expect(peer.lines.slice(-2)).toEqual(["DATA", "QUIT"]);
});

test("an IPv6 next hop", async () => {
  const peer = await peerWith({}, { host: "::1" });
  for (const host of ["[::1]", "[IPv6:::1]"]) {
    const report = await agentWith().deliver({ nexthop: `${host}:${peer.port}`, more: false });
    expect(outcomeLines(report)).toEqual([
      `sent 2.0.0 ::1[::1]:${peer.port} (250 2.0.0 Ok: queued as 12345)`,
    ]);
  }
});
