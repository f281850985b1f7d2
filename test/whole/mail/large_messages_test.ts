// Large messages from many clients at once, through two milters: what each further session takes of a worker's memory.
import { expect } from "bun:test";
import { resolve } from "node:path";
import { askService } from "../../../src/master/control/control_client.ts";
import { withPeers } from "../../kit/peers.ts";
import { forgetPeak, memoryOf } from "../../kit/process_memory.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { reachable } from "../../kit/servers/reachable.ts";
import { spawnTied } from "../../kit/servers/tied_child.ts";
import { type Talk, talk } from "../../kit/talk.ts";

const { afterAll, beforeAll, test } = withPeers(import.meta.path, "dist/mta");

const MiB = 1024 * 1024;
const MESSAGE = 25 * MiB;
const [FEW, MANY] = [10, 90];
/** Of MiB, with what waits for the collector at the peak: sessions themselves hold less than one. */
const MOST = 2.5;
const LINES = Buffer.from(`${"x".repeat(76)}\r\n`.repeat(3361));

const milters: { readonly port: number; end(): void }[] = [];
let server: Server;

beforeAll(async () => {
  for (let at = 0; at < 2; at++) {
    const port = await freePort();
    const program = resolve(import.meta.dirname, "../../../scripts/bench/noop_milter.ts");
    const child = spawnTied(process.execPath, ["--no-install", program, String(port), "0"]);
    milters.push({ port, end: () => void child.kill() });
    await reachable(port);
  }
  server = await startServer({
    mainCf: [
      "mydestination =",
      "default_transport = discard:",
      `message_size_limit = ${2 * MESSAGE}`,
      "smtpd_client_connection_count_limit = 0",
      `smtpd_milters = ${milters.map(({ port }) => `inet:127.0.0.1:${port}`).join(", ")}`,
    ],
  });
}, 180_000);

afterAll(async () => {
  await server?.stop();
  for (const milter of milters) milter.end();
});

async function begin(): Promise<Talk> {
  const client = await talk(server.port);
  for (const line of ["EHLO c.example", "MAIL FROM:<a@x.example>", "RCPT TO:<b@y.example>", "DATA"]) {
    expect(await client.say(line)).toMatch(/^[23]/);
  }
  return client;
}

async function send({ socket, say, end }: Talk): Promise<void> {
  socket.write("Subject: x\r\n\r\n");
  for (let sent = 0; sent < MESSAGE; sent += LINES.length) {
    if (!socket.write(LINES)) await new Promise<void>((done) => void socket.once("drain", done));
  }
  expect(await say(".")).toStartWith("250 ");
  end();
}

/** The most memory that the worker has while so many clients send. */
async function peakWith(worker: number, sessions: number): Promise<number> {
  forgetPeak(worker);
  await Promise.all(await Promise.all(Array.from({ length: sessions }, begin)).then((all) => all.map(send)));
  return memoryOf(worker).peak;
}

test(
  "a session with a message of 25 MiB, through two milters, takes some 2 MiB at the peak and not 5",
  async () => {
    const answer = await askService({ queueDirectory: server.queueDirectory, verb: "status", args: {} });
    if (answer.is !== "done") throw new Error(JSON.stringify(answer));
    const worker = answer.value.workers[0]!.pid!;
    const few = await peakWith(worker, FEW);
    // The collector may come late, and what waits for it is no session's: it is the least of some rounds that sessions take.
    let each = Infinity;
    for (let round = 0; round < 3 && each >= MOST; round++) {
      each = Math.min(each, (await peakWith(worker, MANY) - few) / (MANY - FEW) / MiB);
    }
    expect(each).toBeLessThan(MOST);
  },
  600_000,
);
