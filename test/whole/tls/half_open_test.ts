// 5,000 clients that begin a handshake and do not go on: mail flows meanwhile, on the same port too, memory is bounded, and they are gone
// when their time is over.
import { expect } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { selfSigned } from "../../kit/memory/self_signed.ts";
import { family } from "../../kit/memory/power.ts";
import { withPeers } from "../../kit/peers.ts";
import { memoryOf } from "../../kit/process_memory.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { dialogue } from "../../kit/tls_dialogue.ts";
import { until } from "../../kit/waiting.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta", "openssl");

const MiB = 1024 * 1024;
const CROWD = 5000;
/** A first message that says it is 512 bytes long, and its first bytes. */
const BEGUN = Buffer.concat([Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), Buffer.alloc(100, 7)]);

let server: Server;
let wrapped: number;
const folder = mkdtempSync(join(tmpdir(), "half-open-"));
beforeAll(async () => {
  chmodSync(folder, 0o755);
  const { certificate, key } = selfSigned("mail.example.com");
  writeFileSync(join(folder, "chain.pem"), key + certificate, { mode: 0o644 });
  wrapped = await freePort();
  server = await startServer({
    mainCf: [
      // A quarter of a worker's descriptors is for clients.
      "worker_processes = 2",
      "mydestination = example.com",
      "local_recipient_maps =",
      "local_transport = discard",
      "smtpd_tls_security_level = may",
      `smtpd_tls_chain_files = ${folder}/chain.pem`,
      "smtpd_starttls_timeout = 40s",
      "smtpd_client_connection_count_limit = 0",
      "smtpd_peername_lookup = no",
      `default_process_limit = ${CROWD + 200}`,
    ],
    masterCf: [`127.0.0.1:${wrapped} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes`],
  });
}, 180_000);
afterAll(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true });
});

/** A client that begins, and how often the server has ended one. */
function crowd(size: number): { readonly sockets: readonly Socket[]; closed(): number } {
  let closed = 0;
  const sockets = Array.from({ length: size }, (_, at) => {
    const socket = connect({ port: wrapped, host: "127.0.0.1", localAddress: `127.0.1.${1 + at % 100}` });
    socket.on("connect", () => socket.write(BEGUN)).on("error", () => {}).on("close", () => closed++);
    return socket.resume();
  });
  return { sockets, closed: () => closed };
}

/** What a client hears who sends a message. */
async function sends(port: number, isWrapped: boolean): Promise<string | undefined> {
  const message = [
    "MAIL FROM:<a@example.org>",
    "RCPT TO:<b@example.com>",
    "DATA",
    "Subject: x\r\n\r\nx\r\n.",
  ];
  const said = isWrapped
    ? await dialogue(port, [{ tls: {} }, "EHLO c.example", ...message], true)
    : await dialogue(port, ["EHLO c.example", "STARTTLS", { tls: {} }, "EHLO c.example", ...message]);
  return said.at(-1)?.slice(0, 3);
}

const memory = () => family(server.pid).reduce((sum, pid) => sum + memoryOf(pid).now, 0);
const descriptors = () =>
  family(server.pid).reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0);

test("5,000 half-open handshakes hold up no mail, cost a bounded amount of memory, and end", async () => {
  expect([await sends(server.port, false), await sends(wrapped, true)]).toEqual(["250", "250"]);
  const [calm, before] = [descriptors(), memory()];
  const { sockets, closed } = crowd(CROWD);
  await until(() => `${CROWD} connections, not ${descriptors() - calm}`, () => descriptors() - calm >= CROWD);
  const answers = [];
  for (let at = 0; at < 10; at++) answers.push(await sends(server.port, false), await sends(wrapped, true));
  expect(answers).toEqual(Array(20).fill("250"));
  // They were there all the time.
  expect(closed()).toBe(0);
  expect((memory() - before) / CROWD).toBeLessThan(48 * 1024);
  await until(() => `the end of ${CROWD - closed()}`, () => closed() >= CROWD);
  for (const socket of sockets) socket.destroy();
  await until("no descriptor is left", () => descriptors() <= calm + 5);
  expect([await sends(server.port, false), await sends(wrapped, true)]).toEqual(["250", "250"]);
  expect(memory() - before).toBeLessThan(256 * MiB);
  expect(server.log()).not.toMatch(/panic|TypeError|session failed/);
});
