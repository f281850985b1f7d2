// Checkpoints of a queue with many segments, on the compiled binary: whatever becomes of them, every message is delivered once.
import { expect } from "bun:test";
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { crc32 } from "../../../src/platform/checksum.ts";
import { chanceOf } from "../../kit/chance.ts";
import { cutPower } from "../../kit/memory/power.ts";
import { checkpointsIn, serverWithSegments } from "../../kit/many_segments.ts";
import { withPeers } from "../../kit/peers.ts";
import { startServer } from "../../kit/server.ts";
import { notOnce, startCountingSink } from "../../kit/servers/counting_sink.ts";
import { sendMessage } from "../../kit/talk.ts";
import { pause, until } from "../../kit/waiting.ts";

const chance = chanceOf(import.meta.path);

const { test } = withPeers(import.meta.path, "dist/mta", "root");

const MESSAGES = 600;
const ROUNDS = process.env.MTA_LONG_TESTS === "1" ? 60 : 6;

const mainCf = (port: number) => [
  "mydestination =",
  `relayhost = [127.0.0.1]:${port}`,
  "smtpd_relay_restrictions = permit_mynetworks, reject",
  "minimal_backoff_time = 1h",
  "maximal_backoff_time = 1h",
  "smtp_connection_cache_on_demand = no",
];

const HURTS: readonly ((path: string, other: string) => void)[] = [
  (path) => rmSync(path),
  (path) => truncateSync(path, Math.floor(readFileSync(path).length * chance.random())),
  (path) => {
    const bytes = readFileSync(path);
    bytes[Math.floor(bytes.length * chance.random())]! ^= 0x10;
    writeFileSync(path, bytes);
  },
  (path, other) => writeFileSync(path, readFileSync(other)),
  ofNewerVersion,
];

/** Whole, but of a version that this program does not know; one that was cut short before stays so. */
function ofNewerVersion(path: string): void {
  const bytes = readFileSync(path);
  if (bytes.length < 56) return;
  bytes[4]!++;
  bytes.writeUInt32LE(crc32(bytes.subarray(56), crc32(bytes.subarray(0, 52))), 52);
  writeFileSync(path, bytes);
}

function hurtSome(log: string): void {
  const paths = checkpointsIn(log);
  for (const path of paths) {
    if (chance.random() > 0.4) continue;
    const others = checkpointsIn(log);
    HURTS[Math.floor(chance.random() * HURTS.length)]!(
      path,
      others[Math.floor(chance.random() * others.length)]!,
    );
  }
}

test(
  "whatever becomes of checkpoints, and wherever a start is cut off, each message is delivered once",
  async () => {
    const { directory, log } = await serverWithSegments(MESSAGES, mainCf(1));
    const sink = await startCountingSink();
    try {
      expect(checkpointsIn(log).length).toBeGreaterThan(20);
      const wanted = new Set(Array.from({ length: MESSAGES }, (_, at) => String(at)));
      for (let round = 0; round < ROUNDS; round++) {
        hurtSome(log);
        const server = await startServer({ directory, mainCf: mainCf(1) });
        const mail = {
          from: "s@near.example",
          to: "r@far.example",
          body: `X-Count: new-${round}\r\n\r\ntext`,
        };
        expect(await sendMessage(server.port, mail)).toStartWith("250");
        wanted.add(`new-${round}`);
        await pause(chance.random() * 300);
        await cutPower(server);
        expect(server.log()).not.toContain("DAMAGE");
      }
      hurtSome(log);
      const server = await startServer({ directory, mainCf: mainCf(sink.port) });
      try {
        await server.mta("flush");
        await until("all messages are delivered", () => sink.messages.size >= wanted.size);
        await until("the queue is empty", async () => (await server.mta("postqueue", "-j")).stdout === "");
        expect([...sink.messages.keys()].sort()).toEqual([...wanted].sort());
        expect(notOnce(sink)).toEqual([]);
        expect(server.log()).not.toContain("DAMAGE");
      } finally {
        await server.stop({ keep: true });
      }
    } finally {
      await sink.close();
      rmSync(directory, { recursive: true, force: true });
    }
  },
  180_000,
);
