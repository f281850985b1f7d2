// A queue that is damaged, gone or full, on the compiled binary: what is lost is told by count and id, and nothing is accepted
// that the next start would not find.
import { expect } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCountingSink } from "../../kit/servers/counting_sink.ts";
import { type Accepted, startLoad } from "../../kit/load.ts";
import { cutPower } from "../../kit/memory/power.ts";
import { freePort, type Server, startServer } from "../../kit/server.ts";
import { idsIn } from "../../kit/memory/queue_shard.ts";
import { talk } from "../../kit/talk.ts";
import { openReadOnly } from "../../../src/queue/file_store/read_only.ts";
import { withPeers } from "../../kit/peers.ts";
import { chanceOf } from "../../kit/chance.ts";
import { pause, until, untilNextTick } from "../../kit/waiting.ts";

const chance = chanceOf(import.meta.path);

const { describe, test } = withPeers(import.meta.path, "dist/mta");

const NOWHERE = [
  "mydestination =",
  "relayhost = [127.0.0.1]:1",
  "smtpd_relay_restrictions = permit_mynetworks, reject",
  "minimal_backoff_time = 1h",
  "maximal_backoff_time = 1h",
];

/** Sends messages over one connection; answers the replies to the end of data, or to MAIL where that was refused. */
async function send(port: number, count: number, lines: number): Promise<string[]> {
  const session = await talk(port);
  const replies: string[] = [];
  await session.say("EHLO client.example");
  for (let at = 0; at < count; at++) {
    const mail = await session.say("MAIL FROM:<>");
    if (!mail.startsWith("250")) {
      replies.push(mail);
      continue;
    }
    await session.say("RCPT TO:<a@far.example>");
    await session.say("DATA");
    replies.push(await session.say(`Subject: x\r\n\r\n${"some text of the message\r\n".repeat(lines)}.`));
  }
  session.end();
  return replies;
}

/** Ids of the queue as it lies on disk. */
async function idsOf({ queueDirectory }: Server): Promise<string[]> {
  const reader = await openReadOnly(queueDirectory);
  try {
    return (await idsIn(reader.list())).sort();
  } finally {
    reader.close();
  }
}

function newest(queue: string): string {
  const log = join(queue, "mta/shard-0/log");
  return join(log, readdirSync(log).sort().at(-1)!);
}

function change(path: string, work: (bytes: Buffer) => void): void {
  const bytes = readFileSync(path);
  work(bytes);
  writeFileSync(path, bytes);
}

/** Where the records end: a server that was killed has left reserved space behind them. */
function used(bytes: Buffer): number {
  return bytes.findLastIndex((byte) => byte !== 0) + 1;
}

/** Writes noise over the last bytes. */
const tail = (size: number) => (path: string) =>
  change(path, (bytes) => {
    const from = Math.max(0, used(bytes) - size);
    chance.bytes(used(bytes) - from).copy(bytes, from);
  });

const DAMAGES: Readonly<Record<string, (segment: string) => void>> = {
  "1,500 bytes of noise at the end of the newest segment": tail(1500),
  "64 KiB of noise at its end": tail(64 * 1024),
  "noise everywhere in it": (path) =>
    change(path, (bytes) => {
      for (let at = 0; at < bytes.length; at += 300) bytes[at] = bytes[at]! ^ 0x5a;
    }),
  "half of it cut off": (path) => truncateSync(path, Math.floor(used(readFileSync(path)) / 2)),
  "all of it cut off": (path) => truncateSync(path, 0),
  "its file removed": (path) => rmSync(path),
};

interface Queue {
  readonly directory: string;
  readonly ids: readonly string[];
}

/** A queue of sixty messages after a clean stop; before a hard end with `cut`. */
async function filled(cut = false): Promise<Queue> {
  const server = await startServer({ mainCf: NOWHERE });
  const replies = await send(server.port, 60, 50);
  expect(replies.every((reply) => reply.startsWith("250"))).toBe(true);
  const ids = replies.map((reply) => reply.split(" ").at(-1)!).sort();
  if (cut) await cutPower(server);
  else expect(await server.stop({ keep: true })).toBe(0);
  return { directory: server.directory, ids };
}

async function readiness(port: number): Promise<{ status: number; reasons: string[]; notes: string[] }> {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
  return { ...await answer.json() as { reasons: string[]; notes: string[] }, status: answer.status };
}

async function metric(port: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+]+)`, "m").exec(text)?.[1]);
}

function lostIds(log: string): string[] {
  return [...log.matchAll(/queue: lost from shard-0: (.*)/g)].flatMap((match) => match[1]!.trim().split(" "))
    .sort();
}

describe("a queue that was damaged", () => {
  for (const how of ["a clean stop", "a kill"] as const) {
    test(
      `after ${how}: what is lost is an error with its count and ids, its bytes are kept, and readiness and a metric tell`,
      async () => {
        const queue = await filled(how === "a kill");
        const http = await freePort();
        try {
          const copy = (from: string, to: string) => {
            expect(
              Bun.spawnSync(["cp", "-a", join(queue.directory, from), join(queue.directory, to)]).exitCode,
            ).toBe(0);
          };
          copy("queue/mta", "sound");
          for (const [what, damage] of Object.entries(DAMAGES)) {
            rmSync(join(queue.directory, "queue/mta"), { recursive: true });
            copy("sound", "queue/mta");
            damage(newest(join(queue.directory, "queue")));
            const server = await startServer({
              directory: queue.directory,
              mainCf: [...NOWHERE, `http_listen = 127.0.0.1:${http}`],
            });
            const here = await idsOf(server);
            const lost = queue.ids.filter((id) => !here.includes(id));
            expect([what, lost.length > 0]).toEqual([what, true]);
            const line = await server.logged(/queue: DAMAGE to shard-0/);
            expect(server.log()).toMatch(/queue: \d+ bytes are damaged in .*kept as .*\/corrupt\//);
            const { status, notes } = await readiness(http);
            expect([what, status, notes.length]).toEqual([what, 200, 1]);
            const counted = await metric(http, "mta_queue_lost_messages_total");
            if (how === "a clean stop") {
              expect([what, lostIds(server.log())]).toEqual([what, lost]);
              expect(line).toContain(
                `${lost.length} accepted message${lost.length === 1 ? " is" : "s are"} lost; by id:`,
              );
              expect(notes[0]).toContain(`${lost.length} accepted messages are lost`);
              expect([what, counted]).toEqual([what, lost.length]);
            } else {
              for (const id of lostIds(server.log()).filter((each) => each !== "")) {
                expect(lost).toContain(id);
              }
              // Of what came in the last tenth of a second only the segment itself can tell.
              expect([what, counted > 0]).toEqual([what, true]);
            }
            expect(existsSync(join(queue.directory, "queue/mta/corrupt"))).toBe(true);
            expect(await server.stop({ keep: true })).toBe(0);
          }
          // Told once; and no longer a note when the operator has looked.
          const again = await startServer({
            directory: queue.directory,
            mainCf: [...NOWHERE, `http_listen = 127.0.0.1:${http}`],
          });
          expect(again.log()).not.toContain("DAMAGE");
          expect((await readiness(http)).notes.length).toBe(1);
          rmSync(join(queue.directory, "queue/mta/corrupt"), { recursive: true });
          expect((await readiness(http)).notes).toEqual([]);
          await again.stop({ keep: true });
        } finally {
          rmSync(queue.directory, { recursive: true, force: true });
        }
      },
      180_000,
    );
  }

  test("loses a message whose content file has rotted by name, and does not deliver it", async () => {
    const server = await startServer({ mainCf: NOWHERE });
    const [reply] = await send(server.port, 1, 20_000);
    const id = reply!.split(" ").at(-1)!;
    await server.stop({ keep: true });
    const path = join(server.queueDirectory, "mta/shard-0/spool", id);
    change(path, (bytes) => void (bytes[100_000] = bytes[100_000]! ^ 1));
    const sink = await startCountingSink();
    const again = await startServer({
      directory: server.directory,
      mainCf: [...NOWHERE.slice(0, 1), `relayhost = [127.0.0.1]:${sink.port}`, ...NOWHERE.slice(2)],
    });
    try {
      await again.mta("flush");
      await again.logged(/queue: DAMAGE to shard-0: 1 accepted message is lost/);
      expect(lostIds(again.log())).toEqual([id]);
      expect(sink.messages.size).toBe(0);
      await until("the queue is empty", async () => (await idsOf(again)).length === 0);
    } finally {
      await again.stop();
      await sink.close();
    }
  }, 180_000);
});

describe("a queue directory that is taken away while mail comes", () => {
  test(
    "removed: not one message is accepted afterwards, the client hears 451, log, readiness and a metric tell",
    async () => {
      const http = await freePort();
      const server = await startServer({ mainCf: [...NOWHERE, `http_listen = 127.0.0.1:${http}`] });
      try {
        expect((await send(server.port, 3, 10)).every((reply) => reply.startsWith("250"))).toBe(true);
        rmSync(join(server.queueDirectory, "mta"), { recursive: true });
        const replies = await send(server.port, 5, 10);
        expect(replies).toEqual(Array(5).fill("451 4.3.0 Error: queue file write error"));
        await server.logged(/queue: .*mta\/shard-0 was removed or moved away while in use/);
        const { status, reasons } = await readiness(http);
        expect(status).toBe(503);
        expect(reasons.join()).toContain("was removed or moved away");
        expect(server.log().match(/was removed or moved away/g)!.length).toBe(1);
        await server.mta("status");
        await until("the metric", async () => await metric(http, "mta_queue_refusing") === 1);
      } finally {
        await server.stop();
      }
    },
    180_000,
  );

  test("moved away under load: every message that got a 250 is in the directory that was moved", async () => {
    const accepted: Accepted[] = [];
    const server = await startServer({ mainCf: NOWHERE });
    const sink = await startCountingSink();
    const mta = join(server.queueDirectory, "mta");
    let again: Server | undefined;
    try {
      for (let round = 0; round < 4; round++) {
        const load = startLoad(server.port, 8, (message) => void accepted.push(message));
        await pause(300 + chance.random() * 300);
        // In one step, so that whatever comes later comes into a directory that is not there.
        renameSync(mta, `${mta}.${round}`);
        await pause(300);
        const before = accepted.length;
        await pause(200);
        expect(accepted.length).toBe(before);
        await load.stop();
        renameSync(`${mta}.${round}`, mta);
        await until(
          "mail is taken after the directory came back",
          async () => (await send(server.port, 1, 1))[0]!.startsWith("250"),
        );
      }
      await server.stop({ keep: true });
      again = await startServer({
        directory: server.directory,
        mainCf: [...NOWHERE.slice(0, 1), `relayhost = [127.0.0.1]:${sink.port}`, ...NOWHERE.slice(2)],
      });
      expect(again.log()).not.toContain("DAMAGE");
      await again.mta("flush");
      const missing = () => accepted.filter(({ id }) => !sink.messages.has(id));
      await until("all that was accepted", () => missing().length === 0);
      expect([accepted.length > 20, missing()]).toEqual([true, []]);
    } finally {
      await again?.stop();
      await sink.close();
      rmSync(server.directory, { recursive: true, force: true });
    }
  }, 180_000);
});

withPeers(import.meta.path, "dist/mta", "root").describe("a full disk", () => {
  test("answers 452 at MAIL, and log, readiness and a metric say so, once each way", async () => {
    const directory = mkdtempSync(join(tmpdir(), "mta-full-"));
    const queue = join(directory, "queue");
    mkdirSync(queue);
    expect(Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", queue]).exitCode).toBe(0);
    const http = await freePort();
    const server = await startServer({
      directory,
      mainCf: [
        ...NOWHERE,
        "notify_classes =",
        "message_size_limit = 1000000",
        `http_listen = 127.0.0.1:${http}`,
      ],
    });
    try {
      expect((await readiness(http)).status).toBe(200);
      expect((await send(server.port, 2, 10)).every((reply) => reply.startsWith("250"))).toBe(true);
      const free = Number(Bun.spawnSync(["stat", "-f", "-c", "%a", queue]).stdout.toString()) * 4096;
      writeFileSync(join(queue, "filler"), Buffer.alloc(free - 1_000_000));
      await untilNextTick(1100); // the space is looked at once a second
      expect(await send(server.port, 5, 10)).toEqual(Array(5).fill("452 4.3.1 Insufficient system storage"));
      await server.logged(/queue: .*bytes are free, and 1500000 are kept free/);
      const { status, reasons } = await readiness(http);
      expect(status).toBe(503);
      expect(reasons.join()).toContain("are kept free");
      expect(server.log().match(/are kept free/g)!.length).toBe(1);
      expect(await metric(http, "mta_queue_refusing")).toBe(1);
      rmSync(join(queue, "filler"));
      await server.logged(/queue: mail is taken again/);
      expect((await readiness(http)).status).toBe(200);
      expect((await send(server.port, 1, 10))[0]).toStartWith("250");
      expect(await idsOf(server)).toHaveLength(3);
    } finally {
      await server.stop({ keep: true });
      Bun.spawnSync(["umount", queue]);
      rmSync(directory, { recursive: true, force: true });
    }
  }, 180_000);
});
