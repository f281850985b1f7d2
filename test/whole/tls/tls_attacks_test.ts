// What is done to a server at the beginning of TLS: the running service lives on, and mail flows meanwhile.
import { expect } from "bun:test";
import net from "node:net";
import { selfSigned } from "../../kit/memory/self_signed.ts";
import { withPeers } from "../../kit/peers.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { talk } from "../../kit/talk.ts";
import { dialogue } from "../../kit/tls_dialogue.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "openssl", "dist/mta");

let server: Server;
let [wrapped, impatient] = [0, 0];

beforeAll(async () => {
  [wrapped, impatient] = [await freePort(), await freePort()];
  const own = selfSigned("mail.example.com", "rsa");
  server = await startServer({
    mainCf: [
      "smtpd_tls_security_level = may",
      "smtpd_tls_chain_files = $config_directory/chain.pem",
      "smtpd_peername_lookup = no",
      "smtpd_error_sleep_time = 0",
      "mynetworks =",
      "mydestination = example.com",
      "local_recipient_maps =",
      "smtpd_relay_restrictions = reject_unauth_destination",
      "local_transport = discard",
    ],
    masterCf: [
      `127.0.0.1:${wrapped} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o syslog_name=wrapped`,
      `127.0.0.1:${impatient} inet n - n - - smtpd -o smtpd_starttls_timeout=1s -o syslog_name=impatient`,
    ],
    files: { "chain.pem": own.key + own.certificate },
  });
}, 60_000);
afterAll(() => server?.stop());

/** A whole message, in TLS. */
async function mail(): Promise<string> {
  const heard = await dialogue(server.port, [
    "EHLO client.example.org",
    "STARTTLS",
    { tls: {} },
    "EHLO client.example.org",
    "MAIL FROM:<ann@example.org>",
    "RCPT TO:<bob@example.com>",
    "DATA",
    "Subject: x\r\n\r\nx\r\n.",
    "QUIT",
  ]);
  return heard.at(-2) ?? "";
}

const count = (pattern: RegExp) => server.log().match(new RegExp(pattern, "g"))?.length ?? 0;

/** What openssl(1) says first to a server. */
async function clientHello(): Promise<Buffer> {
  const port = await freePort();
  const heard = Promise.withResolvers<Buffer>();
  const listener = net.createServer((socket) => {
    socket.once("data", (chunk: Buffer) => {
      heard.resolve(chunk);
      socket.destroy();
    });
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => listener.listen(port, "127.0.0.1", resolve));
  const client = Bun.spawn(["openssl", "s_client", "-connect", `127.0.0.1:${port}`], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
  });
  const hello = await heard.promise;
  await client.exited;
  listener.close();
  return hello;
}

/** Connects, says something once it may, and answers when the server has closed. */
function sends(port: number, bytes: Buffer, last: "end" | "wait" = "wait"): Promise<void> {
  const socket = net.connect(port, "127.0.0.1", () => {
    socket.write(bytes);
    if (last === "end") socket.end();
  });
  socket.resume().on("error", () => {});
  return new Promise((resolve) => void socket.on("close", () => resolve()));
}

test("a handshake that is cut off, wherever that is, ends its session and nothing else", async () => {
  const hello = await clientHello();
  const cuts = [...new Set([0, 1, 3, 4, 5, 6, 8, 9, 43, 44, 100, hello.length - 1, hello.length])];
  await Promise.all(cuts.map((cut) => sends(wrapped, hello.subarray(0, cut), "end")));
  await until("all in the log", () => count(/wrapped\/smtpd.*disconnect from/) >= cuts.length);
  expect(count(/wrapped\/smtpd.*SSL_accept error from unknown\[127\.0\.0\.1\]: /)).toBe(cuts.length);
  expect(count(/wrapped\/smtpd.*lost connection after CONNECT/)).toBe(cuts.length);
  expect(await mail()).toStartWith("250 2.0.0 Ok");
}, 60_000);

test("records that are too long, empty or none at all end their session", async () => {
  const record = (type: number, length: number, content: number) =>
    Buffer.concat([Buffer.from([type, 3, 1, length >> 8, length & 255]), Buffer.alloc(content, 1)]);
  const hello = await clientHello();
  const junk = [
    record(22, 0xffff, 0xffff),
    record(22, 0x4000, 0x4000),
    Buffer.concat(Array.from({ length: 100 }, () => record(22, 0, 0))),
    record(23, 5, 5),
    Buffer.concat([Buffer.from([22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff]), record(22, 0x4000, 0x4000)]),
    Buffer.from([0x80, 0x2e, 1, 3, 1, ...Array(50).fill(0)]),
    Buffer.from("GET / HTTP/1.0\r\n\r\n"),
    Buffer.concat([hello, record(22, 0xffff, 0xffff)]),
    Buffer.concat([hello, hello]),
    // The largest that may be one, in records of one byte.
    Buffer.concat(Array.from({ length: 3000 }, (_, at) => Buffer.from([22, 3, 1, 0, 1, at === 0 ? 1 : 0]))),
  ];
  for (const [at, bytes] of junk.entries()) {
    await Promise.race([
      sends(wrapped, bytes),
      Bun.sleep(30_000).then(() => Promise.reject(new Error(`${at} is still connected`))),
    ]);
  }
  expect(await mail()).toStartWith("250 2.0.0 Ok");
}, 120_000);

test("renegotiation is refused, which ends the session of whoever asks for it", async () => {
  const script =
    "(sleep 1; printf 'EHLO x\\r\\n'; sleep 1; printf 'R\\n'; sleep 2; printf 'NOOP\\r\\n'; sleep 1)";
  const client = Bun.spawnSync([
    "sh",
    "-c",
    `${script} | openssl s_client -crlf -starttls smtp -tls1_2 -connect 127.0.0.1:${server.port}`,
  ]);
  const said = client.stdout.toString() + client.stderr.toString();
  expect(said).toContain("RENEGOTIATING");
  expect(said).toMatch(/no renegotiation|alert/i);
  expect(said).not.toMatch(/250 2\.0\.0 Ok/);
  expect(await mail()).toStartWith("250 2.0.0 Ok");
}, 60_000);

test("a handshake has smtpd_starttls_timeout for all of it, however it trickles in", async () => {
  const hello = await clientHello();
  const silent = dialogue(impatient, ["STARTTLS", { heard: true }]);
  const trickling = (async () => {
    const client = await talk(impatient);
    await client.say("STARTTLS");
    let at = 0;
    const timer = setInterval(() => client.socket.write(hello.subarray(at, ++at)), 20);
    await client.closed;
    clearInterval(timer);
  })();
  expect((await silent).at(-1)).toBe("<closed>");
  await trickling;
  await until("both in the log", () => count(/impatient\/smtpd.*disconnect from/) >= 2);
  expect(count(/impatient\/smtpd.*SSL_accept error from unknown\[127\.0\.0\.1\]: Connection timed out/)).toBe(
    2,
  );
  expect(count(/impatient\/smtpd.*lost connection after STARTTLS/)).toBe(2);
}, 60_000);
