// A queue of which an older part cannot be loaded, on the compiled binary: mail is refused rather than taken beside it, and all is there
// again when the cause is gone.
import { expect } from "bun:test";
import { rmSync } from "node:fs";
import { checkpointsIn, segmentsIn, serverWithSegments, setRecordVersion } from "../../kit/many_segments.ts";
import { withPeers } from "../../kit/peers.ts";
import { startServer } from "../../kit/server.ts";
import { startCountingSink } from "../../kit/servers/counting_sink.ts";
import { until } from "../../kit/waiting.ts";

const { test } = withPeers(import.meta.path, "dist/mta", "root");

const MESSAGES = 200;

const mainCf = (port: number) => [
  "mydestination =",
  `relayhost = [127.0.0.1]:${port}`,
  "smtpd_relay_restrictions = permit_mynetworks, reject",
];

const count = (text: string, part: string) => text.split(part).length - 1;

test(
  "a worker that cannot load older messages says why and ends, again and again; when it can, all of them are delivered",
  async () => {
    const { directory, log } = await serverWithSegments(MESSAGES, mainCf(1));
    const sink = await startCountingSink();
    try {
      const [segment] = segmentsIn(log);
      rmSync(checkpointsIn(log)[0]!);
      const version = setRecordVersion(segment!, 9);

      const broken = await startServer({ directory, mainCf: mainCf(sink.port) });
      const refusal = "written by a newer version";
      await until("a second worker has tried", () => count(broken.log(), refusal) >= 2);
      expect(sink.messages.size).toBe(0);
      expect(broken.log()).not.toContain("DAMAGE");
      await broken.stop({ keep: true });

      setRecordVersion(segment!, version);
      const server = await startServer({ directory, mainCf: mainCf(sink.port) });
      try {
        await until("all messages are delivered", () => sink.messages.size >= MESSAGES);
        await until("the queue is empty", async () => (await server.mta("postqueue", "-j")).stdout === "");
        for (const [id, { recipients, digests }] of sink.messages) {
          expect([id, [...recipients.values()], digests.size]).toEqual([id, [1], 1]);
        }
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
