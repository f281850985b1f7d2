// A worker of the compiled binary that was taken over: whatever it sends to the root master over its own channel, master's memory is
// bounded and root's commands work. The test speaks with a copy of the worker's descriptor.
import { expect, setDefaultTimeout } from "bun:test";
import { closeSync, readdirSync, readFileSync, readlinkSync, writeSync } from "node:fs";
import { askService } from "../../../src/master/control/control_client.ts";
import type { FromWorker } from "../../../src/worker/protocol/worker_protocol.ts";
import { controlSocketPath } from "../../../src/master/control/control_protocol.ts";
import { runAsUser } from "../../kit/servers/local_user.ts";
import { copyDescriptor } from "../../kit/others_descriptor.ts";
import { memoryOf } from "../../kit/process_memory.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { talk } from "../../kit/talk.ts";
import { withPeers } from "../../kit/peers.ts";
import { startWatch, until, untilFound } from "../../kit/waiting.ts";

const { afterEach, test: asRoot } = withPeers(import.meta.path, "dist/mta", "root");

setDefaultTimeout(180_000);
const MiB = 1024 * 1024;
/** How much larger than before an attack master may be, for good. */
const ROOM = 64 * MiB;
/** Where a worker has its channel. */
const CHANNEL = 3;

let server: Server | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

async function workerOf(running: Server): Promise<number> {
  const answer = await askService({ queueDirectory: running.queueDirectory, verb: "status", args: {} });
  if (answer.is !== "done") throw new Error(JSON.stringify(answer));
  return answer.value.workers[0]!.pid!;
}

/** A worker's mouth. */
class Mouth {
  readonly #fd: number;

  constructor(pid: number) {
    const fd = copyDescriptor(pid, CHANNEL);
    if (fd === undefined) throw new Error("pidfd_getfd(2) is not allowed here");
    this.#fd = fd;
  }

  /** Writes as much as master takes; false once it does not read any more or has closed. */
  say(bytes: string): boolean {
    const all = Buffer.from(bytes);
    for (let at = 0; at < all.length;) {
      try {
        at += writeSync(this.#fd, all, at);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") return false;
        Bun.sleepSync(1);
      }
    }
    return true;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

const line = (message: FromWorker) => `${JSON.stringify(message)}\n`;

async function answersInTime(running: Server): Promise<void> {
  const heldUp = startWatch();
  const { queueDirectory } = running;
  expect(await askService({ queueDirectory, verb: "status", args: {} })).toMatchObject({ is: "done" });
  expect(heldUp()).toBe(false);
}

asRoot("a message without end ends the worker, not master; another serves in its place", async () => {
  server = await startServer({});
  const worker = await workerOf(server);
  const before = memoryOf(server.pid);
  const mouth = new Mouth(worker);
  const piece = "[".repeat(MiB);
  for (let sent = 0; sent < 64 && mouth.say(piece);) sent++;
  mouth.close();
  await server.logged(
    new RegExp(`pid ${worker} killed by signal SIGKILL: sent a message of more than 1048576 bytes`),
  );
  await answersInTime(server);
  expect(memoryOf(server.pid).peak - before.peak).toBeLessThan(ROOM);
  await talk(server.port).then((session) => session.end());
  expect(await workerOf(server)).not.toBe(worker);
});

asRoot("what is no message is said once and does nothing, however much comes of it", async () => {
  server = await startServer({});
  const worker = await workerOf(server);
  const mouth = new Mouth(worker);
  const before = memoryOf(server.pid);
  const nonsense = `${
    ["nonsense", "[".repeat(100_000), '{"is":"rows"}', '{"is":"toString"}', "7", ""].join("\n")
  }\n`;
  for (let round = 0; round < 100; round++) mouth.say(nonsense);
  mouth.close();
  await server.logged(/sent what is no message/);
  await answersInTime(server);
  expect(server.log().split("\n").filter((each) => each.includes("is no message"))).toHaveLength(1);
  expect(memoryOf(server.pid).peak - before.peak).toBeLessThan(ROOM);
  expect(await workerOf(server)).toBe(worker);
});

asRoot(
  "requests without end, leases, clients and names of metrics fill no memory, and root is served meanwhile",
  async () => {
    server = await startServer({});
    const mouth = new Mouth(await workerOf(server));
    const before = memoryOf(server.pid);
    const text = "x".repeat(400);
    for (let round = 0; round < 400; round++) {
      const messages: FromWorker[] = [];
      for (let i = 0; i < 100; i++) {
        const id = round * 100 + i;
        messages.push({ is: "request", id, what: "lease", args: { key: `${text}${id}`, limit: 1 } });
        messages.push({ is: "request", id, what: "lease", args: { key: "one", limit: 1 } });
      }
      const events = Array.from(
        { length: 200 },
        (_, i) => ["mail", `smtp:${text.slice(0, 200)}${round}.${i}`],
      );
      messages.push({ is: "request", id: round, what: "anvil", args: { events } });
      messages.push({
        is: "metrics",
        snapshot: Array.from({ length: 100 }, (_, i) => ({
          name: `mta_${round}_${i}`,
          type: "counter",
          help: text,
          labels: ["which"],
          samples: [{ labels: [text], value: 1 }],
        })),
      });
      mouth.say(messages.map(line).join(""));
      if (round % 50 === 0) await answersInTime(server);
    }
    mouth.close();
    await answersInTime(server);
    for (const command of ["flush", "status"]) expect((await server.mta(command)).code).toBe(0);
    expect(memoryOf(server.pid).now - before.now).toBeLessThan(2 * ROOM);
  },
);

asRoot("a worker that is asked for rows and sends more than is wanted is not listened to", async () => {
  server = await startServer({});
  const mouth = new Mouth(await workerOf(server));
  const rows: FromWorker = { is: "rows", id: 1, rows: [] };
  for (let id = 1; id < 2000; id++) mouth.say(line({ ...rows, id }));
  mouth.close();
  await answersInTime(server);
});

asRoot(
  "a worker that does not read is asked no more, and what it is not told does not gather in master",
  async () => {
    server = await startServer({});
    const worker = await workerOf(server);
    const before = memoryOf(server.pid);
    process.kill(worker, "SIGSTOP");
    const asker = runAsUser(
      `
const ids = '{"item":"00000100000A"}\\n'.repeat(500);
const again = () => {
  const socket = connect(args[0], () => socket.write('{"verb":"flush","args":{}}\\n' + ids + '{"end":true}\\n'));
  const timer = setTimeout(() => socket.destroy(), 20);
  socket.on("error", () => {});
  socket.on("data", (chunk) => { if (String(chunk).includes("does not read")) console.log("busy"); });
  socket.on("close", () => { clearTimeout(timer); setTimeout(again, 5); });
};
again();`,
      [controlSocketPath(server.queueDirectory)],
    );
    await asker.said(/busy/);
    await asker.end();
    await answersInTime(server);
    expect(memoryOf(server.pid).peak - before.peak).toBeLessThan(ROOM);
    process.kill(worker, "SIGCONT");
    const { queueDirectory } = server;
    let answer;
    await until("the worker's answer", async () => {
      answer = await askService({ queueDirectory, verb: "flush", args: { all: true } });
      return answer.is === "done";
    });
  },
);

asRoot("a command that mail is delivered to inherits no channel of ours", async () => {
  server = await startServer({
    mainCf: ["mydestination = example.com", "local_recipient_maps =", "mailbox_command = /bin/sleep 5"],
  });
  const session = await talk(server.port);
  await session.say("EHLO client.example.com");
  await session.say("MAIL FROM:<>");
  expect(await session.say("RCPT TO:<daemon@example.com>")).toStartWith("250");
  await session.say("DATA");
  expect(await session.say("Subject: x\r\n\r\nx\r\n.")).toStartWith("250");
  session.end();
  const sleeper = await untilFound(
    "the command",
    () => descendants(server!.pid).find((pid) => commandOf(pid).startsWith("/bin/sleep")),
  );
  const behind = readdirSync(`/proc/${sleeper}/fd`).filter((fd) => Number(fd) > 2);
  expect(behind.map((fd) => readlinkSync(`/proc/${sleeper}/fd/${fd}`))).toEqual([]);
});

function readProc(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "latin1");
  } catch {
    return ""; // it has ended
  }
}

const commandOf = (pid: number) => readProc(pid, "cmdline").replaceAll("\0", " ");

/** Processes below a process. */
function descendants(of: number): number[] {
  const parents = readdirSync("/proc").filter((name) => /^\d+$/.test(name))
    .map((
      name,
    ) => [Number(name), Number(readProc(Number(name), "stat").replace(/^.*\) /, "").split(" ")[1])]);
  const below = new Set([of]);
  for (let size = 0; size !== below.size;) {
    size = below.size;
    for (const [pid, parent] of parents) if (below.has(parent!)) below.add(pid!);
  }
  return [...below];
}
