// Clients that mean harm against the compiled binary: whatever they send, memory and disk stay bounded, nothing breaks, and
// honest clients are served meanwhile.
import { expect } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { family } from "../../kit/memory/power.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { withPeers } from "../../kit/peers.ts";
import { processorTime, until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta");

const MiB = 1024 * 1024;
let server: Server;

beforeAll(async () => {
  server = await startServer({
    mainCf: [
      "mydestination = example.com",
      "local_recipient_maps =",
      "local_transport = discard:",
      "smtpd_sasl_auth_enable = yes",
      "smtpd_sasl_type = internal",
      "sasl_mechanisms = PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256",
      "sasl_users = inline:{ann={PLAIN}secret}",
      "smtpd_timeout = 3s",
      "smtpd_error_sleep_time = 0",
      "smtpd_hard_error_limit = 1000",
      "smtpd_junk_command_limit = 100000000",
      "smtpd_authorized_xclient_hosts = 127.0.0.1",
      "smtpd_authorized_xforward_hosts = 127.0.0.1",
      "header_checks = pcre:{{/^X-(.*)+y$$/ WARN}}",
      "body_checks = pcre:{{/^(a+)+$$/ WARN}}",
    ],
  });
});

afterAll(async () => {
  await server?.stop();
});

/** Resident memory of the server's processes, in bytes. */
function memory(): number {
  let pages = 0;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const parent = Number(readFileSync(`/proc/${name}/stat`, "latin1").replace(/^.*\) /, "").split(" ")[1]);
      if (Number(name) !== server.pid && parent !== server.pid) continue;
      pages += Number(readFileSync(`/proc/${name}/statm`, "latin1").split(" ")[1]);
    } catch { /* it has ended meanwhile */ }
  }
  return pages * 4096;
}

/** The processor's time that its processes have had, in seconds. */
const busy = () => family(server.pid).reduce((sum, pid) => sum + processorTime(pid), 0);

/** Waits until the memory comes down to this, once the garbage of a flood has been collected. */
const settlesBelow = (bytes: number) => until(`less than ${bytes} bytes of memory`, () => memory() < bytes);

function diskUsed(folder: string): number {
  let total = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    // A file may go while the folder is read.
    if (entry.isFile()) {
      total += (statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.blocks ?? 0) * 512;
    }
  }
  return total;
}

interface Client {
  readonly socket: Socket;
  text(): string;
  readonly closed: Promise<void>;
}

function open(): Promise<Client> {
  return new Promise((done, fail) => {
    let text = "";
    const socket = connect({ port: server.port, host: "127.0.0.1" });
    const closed = new Promise<void>((end) => socket.on("close", () => end()));
    socket.on("data", (chunk) => text += chunk.toString("latin1"));
    socket.on("error", () => {});
    socket.once("connect", () => done({ socket, text: () => text, closed }));
    socket.once("error", fail);
  });
}

/** An honest client's message, from the banner to the end. */
async function honest(): Promise<void> {
  const { socket, text } = await open();
  socket.write("EHLO a.example\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n");
  await until("354", () => text().includes("\n354 "));
  socket.write("Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n");
  await until("221", () => text().includes("\n221 "));
  if (!text().includes(" Ok: queued as ")) throw new Error(text());
  socket.destroy();
}

/** Sends as fast as the server takes it, at most `bytes`, until the connection ends; answers what went out. */
async function flood(
  { socket }: Client,
  chunk: Uint8Array,
  bytes: number,
  patience: number,
): Promise<number> {
  let sent = 0;
  const end = Date.now() + patience;
  while (sent < bytes && !socket.destroyed && Date.now() < end) {
    const flows = socket.write(chunk);
    sent += chunk.length;
    if (!flows) {
      await Promise.race([new Promise((next) => socket.once("drain", next)), Bun.sleep(end - Date.now())]);
    }
  }
  return sent;
}

const notes = () =>
  server.log().split("\n").filter((line) => /session failed|panic|TypeError|fatal/.test(line));

const words = fc.constantFrom(
  ...'EHLO x|HELO y|MAIL FROM:<a@example.org>|RCPT TO:<b@example.com>|RCPT TO:<"a b"@example.com>|DATA|.|BDAT 5|BDAT 3 LAST'
    .split("|"),
  ..."BDAT 9007199254740993|BDAT -1|BDAT 99999999999999999999 LAST|RSET|NOOP|VRFY b|ETRN example.com|QUIT|STARTTLS|AUTH PLAIN x"
    .split("|"),
  ..."AUTH LOGIN|AUTH PLAIN|AUTH PLAIN AGFubgBzZWNyZXQ=|AUTH CRAM-MD5|AUTH SCRAM-SHA-256 biwsbj1hbm4scj1h|AUTH PLAIN =|YW5u|c2VjcmV0|=|*"
    .split("|"),
  ..."XCLIENT ADDR=1.2.3.4 NAME=x|XCLIENT ADDR=|XFORWARD NAME=a+20b ADDR=[UNAVAILABLE]|MAIL FROM:<> SIZE=99999999999999999999"
    .split("|"),
  ..."MAIL FROM:<@a,@b:c@d> BODY=8BITMIME SMTPUTF8|RCPT TO:<b@example.com> NOTIFY=NEVER ORCPT=rfc822;x|Subject: y|Content-Type: multipart/x; boundary=b|--b|"
    .split("|"),
);
const piece = fc.oneof(
  { weight: 6, arbitrary: words.map((word) => Buffer.from(`${word}\r\n`)) },
  { weight: 1, arbitrary: words.map((word) => Buffer.from(`${word}\n`)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
  { weight: 1, arbitrary: fc.nat(5000).map((n) => Buffer.alloc(n, "a")) },
  { weight: 1, arbitrary: fc.constant(Buffer.from("\r\n.\r\n")) },
);

test(
  "whatever bytes come, no session breaks the server, and it keeps serving",
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 40 }), fc.boolean(), async (pieces, abrupt) => {
        const client = await open();
        for (const bytes of pieces) client.socket.write(bytes);
        if (abrupt) client.socket.destroy();
        else client.socket.end();
        await client.closed;
      }),
      { numRuns: 400 },
    );
    expect(notes()).toEqual([]);
    await honest();
  },
  180_000,
);

test(
  "a client that never reads its replies costs no memory, and its time ends",
  async () => {
    const before = memory();
    const clients = await Promise.all(Array.from({ length: 20 }, open));
    for (const { socket } of clients) socket.pause();
    const noops = Buffer.from("NOOP\r\n".repeat(10_000));
    const sent = await Promise.all(clients.map((client) => flood(client, noops, 50 * MiB, 1500)));
    expect(Math.max(...sent)).toBeLessThan(20 * MiB);
    await settlesBelow(before + 120 * MiB);
    await honest();
    const ended = () => server.log().match(/: timeout after NOOP from /g)?.length ?? 0;
    await until("all are timed out", () => ended() === clients.length);
    for (const { socket } of clients) socket.destroy();
  },
  180_000,
);

test("an endless command line costs no memory", async () => {
  const before = memory();
  const client = await open();
  await flood(client, Buffer.alloc(MiB, "A"), 200 * MiB, 4000);
  await settlesBelow(before + 80 * MiB);
  await honest();
  client.socket.destroy();
}, 180_000);

test("an endless response to a challenge costs no memory", async () => {
  const before = memory();
  const client = await open();
  client.socket.write("EHLO a\r\nAUTH PLAIN\r\n");
  await until("334", () => client.text().includes("\n334 "));
  await flood(client, Buffer.alloc(MiB, "A"), 200 * MiB, 4000);
  client.socket.write("\r\nQUIT\r\n");
  await until("221", () => client.text().includes("\n221 "));
  expect(client.text()).toContain("\n500 5.5.6 SASL response limit exceeded\r\n");
  await settlesBelow(before + 80 * MiB);
  await honest();
  client.socket.destroy();
}, 180_000);

test(
  "content beyond the limit is read and thrown away, and leaves nothing on disk",
  async () => {
    const [memoryBefore, diskBefore] = [memory(), diskUsed(server.queueDirectory)];
    const client = await open();
    client.socket.write("EHLO a\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n");
    await until("354", () => client.text().includes("\n354 "));
    const line = Buffer.from(`${"x".repeat(998)}\r\n`.repeat(1000));
    await flood(client, line, 150 * MiB, 20_000);
    client.socket.write(".\r\n");
    await until("552", () => client.text().includes("552 5.3.4"));
    await settlesBelow(memoryBefore + 60 * MiB);
    expect(diskUsed(server.queueDirectory) - diskBefore).toBeLessThan(30 * MiB);
    client.socket.destroy();
  },
  180_000,
);

test("content made to be slow to look at holds nobody else up", async () => {
  const bombs: readonly [string, string][] = [
    ["one header line of 5 MiB", `X-${"a".repeat(5 * MiB)}\r\n\r\n`],
    ["a header folded 300,000 times", `X-a: b\r\n${" c\r\n".repeat(300_000)}\r\n`],
    ["200,000 headers", `${"X-a: bbbbbbbbbbbbbbbbbbb\r\n".repeat(200_000)}\r\n`],
    ["100,000 addresses", `To: ${"a@b.example,\r\n ".repeat(100_000)}z\r\n\r\n`],
    ["comments in comments", `To: ${"(".repeat(500_000)}\r\n\r\n`],
    [
      "parts in parts",
      Array.from(
        { length: 20_000 },
        (_, i) => `Content-Type: multipart/mixed; boundary=b${i}\r\n\r\n--b${i}\r\n`,
      ).join(""),
    ],
    [
      "parts beside parts",
      `Content-Type: multipart/mixed; boundary=b\r\n\r\n${"--b\r\n\r\n".repeat(200_000)}`,
    ],
    ["a line for a hungry pattern", `Subject: x\r\n\r\n${"a".repeat(5000)}!\r\n`.repeat(1)],
    ["100,000 such lines", `Subject: x\r\n\r\n${`${"a".repeat(40)}!\r\n`.repeat(100_000)}`],
  ];
  const starved: string[] = [];
  for (const [name, content] of bombs) {
    const client = await open();
    client.socket.write("EHLO a\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n");
    await until("354", () => client.text().includes("\n354 "));
    const before = busy();
    let served = 0;
    let over = false;
    const others = (async () => {
      for (; !over; served++) await honest();
    })();
    client.socket.write(`${content}\r\n.\r\nQUIT\r\n`);
    await until(
      `an answer to ${name}`,
      () => /\n(?:250 2\.0\.0 Ok: queued|5\d\d |451 )/.test(client.text().replace(/^[\s\S]*\n354[^\n]*/, "")),
    );
    const took = busy() - before;
    over = true;
    await others;
    // Held up by the whole message, others would be served once: the processor's time for many of them tells that.
    if (took > 0.5 && served < 3) {
      starved.push(`${name}: ${took} s of the processor, ${served} others were served`);
    }
    client.socket.destroy();
  }
  expect(starved).toEqual([]);
  expect(notes()).toEqual([]);
}, 180_000);

test("messages that break off leave nothing behind", async () => {
  const before = diskUsed(server.queueDirectory);
  const half = Buffer.from(`Subject: x\r\n\r\n${"y".repeat(70)}\r\n`.padEnd(3 * MiB, "z"));
  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 10 }, async () => {
      const client = await open();
      client.socket.write("EHLO a\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n");
      await until("354", () => client.text().includes("\n354 "));
      client.socket.write(half, () => client.socket.destroy());
      await client.closed;
    }));
  }
  await until("the disk is free again", () => diskUsed(server.queueDirectory) - before < 20 * MiB);
  expect(diskUsed(server.queueDirectory) - before).toBeLessThan(20 * MiB);
  expect(notes()).toEqual([]);
}, 180_000);
