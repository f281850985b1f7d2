// A queue of which an older part cannot be loaded, on the compiled binary: mail is refused rather than taken beside it, and all is there
// again when the cause is gone.
import { expect } from "bun:test";
import { rmSync } from "node:fs";
import { checkpointsIn, segmentsIn, serverWithSegments, setRecordVersion } from "../../kit/many_segments.ts";
import { withPeers } from "../../kit/peers.ts";
import { startServer } from "../../kit/server.ts";
import { notOnce, startCountingSink } from "../../kit/servers/counting_sink.ts";
import { sendMessage, talk } from "../../kit/talk.ts";
import { until } from "../../kit/waiting.ts";

const { test } = withPeers(import.meta.path, "dist/mta", "root");

const MESSAGES = 200;

const mainCf = (port: number) => [
  "mydestination =",
  `relayhost = [127.0.0.1]:${port}`,
  "smtpd_relay_restrictions = permit_mynetworks, reject",
];

const count = (text: string, part: string) => text.split(part).length - 1;

/** Sends messages as long as that is wanted, whatever becomes of their workers; answers the numbers of those that were accepted. */
async function keepSending(port: number, isOver: () => boolean): Promise<string[]> {
  const accepted: string[] = [];
  for (let at = 0; !isOver(); at++) {
    const body = `X-Count: new-${at}\r\n\r\ntext`;
    const reply = await sendMessage(port, { from: "s@near.example", to: "r@far.example", body }).catch(
      String,
    );
    if (reply.startsWith("250")) accepted.push(`new-${at}`);
  }
  return accepted;
}

test(
  "a worker that cannot load older messages refuses mail, says why and ends, again and again; when it can, all messages are delivered",
  async () => {
    const { directory, log } = await serverWithSegments(MESSAGES, mainCf(1));
    const sink = await startCountingSink();
    try {
      const [segment] = segmentsIn(log);
      rmSync(checkpointsIn(log)[0]!);
      const version = setRecordVersion(segment!, 9);

      const broken = await startServer({ directory, mainCf: mainCf(sink.port) });
      const idle = await talk(broken.port);
      const accepted = await keepSending(broken.port, () => count(broken.log(), "-- throttling") >= 3);
      const told = idle.greeting.startsWith("421") ? idle.greeting : await idle.reply();
      expect(told).toStartWith("421 4.3.2");
      expect(broken.log()).toMatch(/fatal: .* written by a newer version/);
      expect(broken.log()).toMatch(/worker pid \d+ exit status 1 -- throttling, next start in 2s/);
      expect(broken.log()).not.toContain("DAMAGE");
      expect([...sink.messages.keys()].filter((id) => !id.startsWith("new-"))).toEqual([]);
      await broken.stop({ keep: true });

      setRecordVersion(segment!, version);
      const server = await startServer({ directory, mainCf: mainCf(sink.port) });
      try {
        const wanted = [...Array.from({ length: MESSAGES }, (_, at) => String(at)), ...accepted];
        await until("all messages are delivered", () => wanted.every((id) => sink.messages.has(id)));
        await until("the queue is empty", async () => (await server.mta("postqueue", "-j")).stdout === "");
        expect(notOnce(sink)).toEqual([]);
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
