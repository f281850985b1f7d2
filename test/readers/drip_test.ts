// What a peer sends in packets of one byte costs about as much a packet at the end as at the beginning: nothing is gone over twice.
// Every reader of bytes from outside is held to it.
import { describe, expect, test } from "bun:test";
import { createPolicyServer } from "../../src/access/policy_server.ts";
import { HeaderFilter } from "../../src/delivery/smtp/content/header_filter.ts";
import { ReplyReader } from "../../src/smtp/reply_reader.ts";
import { mailCopy } from "../../src/delivery/mailbox/mail_copy.ts";
import { exchange } from "../../src/dns/exchange.ts";
import { printQuery } from "../../src/dns/message.ts";
import { LineReader } from "../../src/base/line_reader.ts";
import { frameHead, TaskReader } from "../../src/master/helper/helper_protocol.ts";
import type { Connection, ConnectionHandler } from "../../src/platform/socket/connection.ts";
import { ConnectionPool, type ReadReply } from "../../src/platform/socket/connection_pool.ts";
import { DataDecoder } from "../../src/smtp/data_decoder.ts";
import { FrameSplitter } from "../../src/table/ldap/ldap_frames.ts";
import { readLine, valueReader } from "../../src/table/network/memcache_reply.ts";
import { readNetstring } from "../../src/table/network/netstring.ts";
import { readReply } from "../../src/table/network/tcp.ts";
import { bytesGoneOver, drip } from "../kit/memory/byte_work.ts";
import { settle } from "../kit/memory/fake_clock.ts";
import { contentOf } from "../kit/memory/memory_store.ts";
import { memorySmtpd } from "../kit/memory/memory_smtpd.ts";

const SIZE = 102_400;
/** Bytes gone over for each that came, whatever has been gathered; the work of a packet itself is in it. */
const MOST = 40;

/** Holds dripping some bytes into something to the bound. */
async function isLinear(bytes: string | Buffer, push: (piece: Buffer) => unknown, most = MOST) {
  const went = await bytesGoneOver(() => drip(bytes, push));
  expect(went / bytes.length).toBeLessThan(most);
}

async function transaction(main: Readonly<Record<string, string>> = {}) {
  const house = memorySmtpd({ smtpd_error_sleep_time: "0", ...main });
  const client = house.connect("127.0.0.1");
  await settle();
  for (const line of ["EHLO x", "MAIL FROM:<a@b.example>", "RCPT TO:<a@example.com>"]) {
    client.send(`${line}\r\n`);
    await settle();
  }
  return { ...house, client, push: (piece: Buffer) => client.handler.data(piece) };
}

describe("smtpd", () => {
  const CONTENT = {
    "one header field": `X-Long: ${"y".repeat(SIZE)}\r\n`,
    "a field of many lines": `X-Long: a\r\n${" b\r\n".repeat(SIZE / 4)}`,
    "many fields": "X: y\r\n".repeat(SIZE / 6),
    "a body in lines": `\r\n${"body\r\n".repeat(SIZE / 6)}`,
    "a body without line ends": `\r\n${"y".repeat(SIZE)}`,
    "dots and stray CRs": `\r\n${".\r\r\n..\n".repeat(SIZE / 8)}`,
  };
  for (const [what, text] of Object.entries(CONTENT)) {
    for (const checks of [false, true]) {
      test(`DATA: ${what}${checks ? ", with content checks" : ""}`, async () => {
        const { client, push, store } = await transaction(
          checks ? { header_checks: "regexp:{{/^Q/ IGNORE}}", body_checks: "regexp:{{/^Q/ IGNORE}}" } : {},
        );
        client.send("DATA\r\n");
        await settle();
        expect(client.read()).toEndWith("<CR><LF>.<CR><LF>\r\n");
        await isLinear(text, push);
        client.send("\r\n.\r\n");
        await settle();
        expect(client.read()).toStartWith("250 2.0.0 Ok: queued");
        expect(store.messages.size).toBe(1);
      });
    }
  }

  test("BDAT: one header field", async () => {
    const { client, push } = await transaction();
    client.send(`BDAT ${SIZE} LAST\r\n`);
    await isLinear(`X: ${"y".repeat(SIZE - 3)}`, push);
    await settle();
    expect(client.read()).toContain("250 2.0.0 Ok: 1024");
  });

  test("a command line without end, and what comes while a command waits", async () => {
    const { client, push } = await transaction();
    await isLinear("x".repeat(SIZE), push);
    const waiting = memorySmtpd({ smtpd_peername_lookup: "yes" }, {
      clientLookup: () => new Promise(() => {}),
    });
    // Each of these is a connection of its own, and past the waiting room it is told so.
    await isLinear("NOOP\r\n".repeat(10_000), (piece) => waiting.connect().handler.data(piece), MOST + 50);
    const one = waiting.connect();
    await settle();
    await isLinear("NOOP\r\n".repeat(10_000), (piece) => one.handler.data(piece));
    client.end();
  });
});

test("DataDecoder: line ends and dots, one by one", async () => {
  for (const options of [{}, { lenient: true }, { counted: true }]) {
    const decoder = new DataDecoder(options);
    await isLinear(".\r\n..a\r\n\r\r\nb\n".repeat(7000), (piece) => decoder.push(piece));
  }
});

test("a server's replies, and a reply without end", async () => {
  for (const text of [`250-${"x".repeat(90)}\r\n`.repeat(1000), "x".repeat(SIZE)]) {
    const replies = new ReplyReader();
    await isLinear(text, (piece) => replies.push(piece));
  }
});

/** A pool whose server drips; answers what the one request came to. */
async function dripReply<Reply>(read: ReadReply<Reply>, reply: string | Buffer): Promise<Reply> {
  const { connect, handler } = oneConnection();
  const pool = new ConnectionPool({ path: "/" }, {
    timeout: 1000,
    maxIdle: 1000,
    maxTtl: 1000,
    world: { connect, clock: () => 0 },
  });
  const asked = pool.exchange({ bytes: "?", read });
  await isLinear(reply, async (piece) => (await handler).data(piece));
  return await asked;
}

function oneConnection() {
  const { promise: handler, resolve } = Promise.withResolvers<ConnectionHandler>();
  let opened: ConnectionHandler;
  const connection = {
    // The server answers what it was asked.
    write: () => (resolve(opened), true),
    setTimeout: () => {},
    destroy: () => {},
    end: () => {},
  } as unknown as Connection;
  const connect = (
    _to: unknown,
    _options: unknown,
    handlerOf: (connection: Connection) => ConnectionHandler,
  ) => {
    opened = handlerOf(connection);
    return Promise.resolve(connection);
  };
  return { connect, handler };
}

test("tables' servers: tcp, socketmap, memcache, ldap", async () => {
  const question = { spec: "tcp:x:1", name: "x:1", key: "k" };
  expect(
    await dripReply((received, seen) => readReply(question, received, {}, seen), `200 ${"x".repeat(4000)}\n`),
  ).toMatchObject({ is: "found" });
  const netstring = (received: Buffer) => {
    const found = readNetstring(received, SIZE);
    return found && { reply: found.content.length, length: found.length };
  };
  expect(await dripReply(netstring, `${SIZE}:${"x".repeat(SIZE)},`)).toBe(SIZE);
  const limits = { line: 1024, data: SIZE };
  const value = `VALUE k 0 ${SIZE}${" ".repeat(900)}\r\n${"x".repeat(SIZE)}\r\nEND\r\n`;
  expect((await dripReply(valueReader(limits), value))?.length).toBe(SIZE);
  expect(await dripReply((received, seen) => readLine(received, 2000, 0, seen), `${"x".repeat(1900)}\n`))
    .toHaveLength(1900);
  const frames = new FrameSplitter();
  const head = Buffer.from([0x30, 0x83, SIZE >> 16, (SIZE >> 8) & 255, SIZE & 255]);
  await isLinear(Buffer.concat([head, Buffer.alloc(SIZE)]), (piece) => frames.push(piece));
});

test("a policy server", async () => {
  const { connect, handler } = oneConnection();
  const options = { timeout: 1, maxIdle: 1, maxTtl: 1, requestLimit: 0, tryLimit: 1, retryDelay: 0 };
  const world = { connect, clock: () => 0, sleep: () => Promise.resolve() };
  const server = createPolicyServer("unix:/p", { path: "/p" }, options, world);
  const asked = server.ask("request=x\n");
  const reply = `${"a=b\n".repeat(5000)}action=dunno ${"x".repeat(40_000)}\r\n\r\n`;
  await isLinear(reply, async (piece) => (await handler).data(piece));
  expect(await asked).toMatchObject({ is: "action" });
});

test("DNS over TCP", async () => {
  const { connect, handler } = oneConnection();
  const question = printQuery(7, "example.com", "TXT", { edns: false, dnssec: false });
  const truncated = Buffer.from(question.bytes);
  truncated.writeUInt16BE(0x8380, 2);
  const udp = (_server: unknown, heard: { message(bytes: Uint8Array): void }) => {
    queueMicrotask(() => heard.message(truncated));
    return { send: () => {}, close: () => {} };
  };
  const wire = { udp, tcp: connect } as unknown as Parameters<typeof exchange>[0];
  const asked = exchange(wire, { host: "127.0.0.1", port: 53 }, question, { timeout: 5000 });
  const length = Buffer.from([0xff, 0xff]);
  const answer = Buffer.alloc(65_535);
  truncated.copy(answer);
  await isLinear(Buffer.concat([length, answer]), async (piece) => (await handler).data(piece));
  expect((await asked).is).toBe("bytes");
});

test("what our own processes say to each other", async () => {
  let said = "";
  const lines = new LineReader(SIZE);
  await isLinear(`${"x".repeat(SIZE)}\n`, (piece) => void lines.push(piece, (line) => void (said = line)));
  expect(said).toHaveLength(SIZE);
  const tasks = new TaskReader();
  const seen: number[] = [];
  const stream = Buffer.concat([Buffer.from(`${"x".repeat(SIZE)}\n`), frameHead(SIZE), Buffer.alloc(SIZE)]);
  await isLinear(stream, (piece) => {
    for (const event of tasks.push(piece)) seen.push("frame" in event ? event.frame.length : 0);
  });
  expect(seen).toEqual([0, SIZE]);
});

test("a stored message that is one line, on its way out", async () => {
  const bytes = Buffer.alloc(4 << 20, "x");
  const pieces = {
    ...contentOf(bytes),
    async *chunks() {
      for (let at = 0; at < bytes.length; at += 4096) yield bytes.subarray(at, at + 4096);
    },
  };
  const mailbox = await bytesGoneOver(async () => {
    for await (const _ of mailCopy(pieces, { prefix: "", mbox: true })) { /* only the work counts */ }
  });
  expect(mailbox / bytes.length).toBeLessThan(MOST);
  const filter = new HeaderFilter((_name, text) => text, {
    line: 2048,
    header: SIZE,
    boundary: 2048,
    nesting: 100,
  });
  await isLinear(`X: ${"y".repeat(SIZE)}\r\n\r\nbody`, (piece) => filter.push(piece));
});
