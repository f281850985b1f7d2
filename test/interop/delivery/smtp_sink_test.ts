// Postfix's smtp-sink as the server: nothing is lost, nothing comes twice, whatever it refuses on the way.
import { expect } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { withPeers } from "../../kit/peers.ts";
import { reachable } from "../../kit/servers/reachable.ts";
import { testAgent } from "../../kit/scenes/smtp_delivery.ts";

const { afterEach, describe, test } = withPeers(import.meta.path, "postfix");

const SINK = "/usr/sbin/smtp-sink";
const PORT = 24876;
let sink: ChildProcess | undefined;

/** Starts smtp-sink, which writes each message to a file of its own. */
async function startSink(...options: string[]): Promise<string> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "sink-"));
  fs.chmodSync(directory, 0o777);
  const user = process.getuid?.() === 0 ? ["-u", "nobody"] : [];
  sink = spawn(SINK, [...user, ...options, "-d", "m%H%M%S.", `127.0.0.1:${PORT}`, "200"], { cwd: directory });
  await reachable(PORT);
  return directory;
}

/** The port is free when its process has ended. */
async function stopSink(): Promise<void> {
  if (sink === undefined || sink.exitCode !== null || sink.signalCode !== null) return;
  const gone = once(sink, "exit");
  sink.kill();
  await gone;
}

afterEach(stopSink);

function received(directory: string): string[] {
  return fs.readdirSync(directory).map((name) => fs.readFileSync(path.join(directory, name), "latin1"))
    .map((text) => /X-Number: (\d+)/.exec(text)?.[1] ?? "none").sort((a, b) => Number(a) - Number(b));
}

describe("smtp-sink receives", () => {
  for (
    const [name, options, nexthop] of [
      ["over SMTP", [], `[127.0.0.1]:${PORT}`],
      ["over SMTP without ESMTP", ["-e"], `[127.0.0.1]:${PORT}`],
      ["over SMTP without pipelining", ["-p"], `[127.0.0.1]:${PORT}`],
      ["over LMTP", ["-L"], `inet:127.0.0.1:${PORT}`],
    ] as const
  ) {
    test(`each message once ${name}`, async () => {
      const directory = await startSink(...options);
      const { agent, deliver } = testAgent({}, {
        program: options.some((option) => option === "-L") ? "lmtp" : "smtp",
      });
      const numbers = Array.from({ length: 200 }, (_, i) => i);
      const reports = await Promise.all(
        numbers.map((i) =>
          deliver({ nexthop, content: `X-Number: ${i}\r\n\r\n.dot ${"x".repeat(i * 37)}\r\n` })
        ),
      );
      expect(reports.flatMap(({ outcomes }) => outcomes.map(({ is }) => is))).toEqual(
        numbers.map(() => "sent"),
      );
      await agent.close();
      expect(received(directory)).toEqual(numbers.map(String));
    }, 180_000);
  }

  test("nothing that counts as sent when it hangs up at MAIL, RCPT or DATA", async () => {
    for (const command of ["-q MAIL", "-q RCPT", "-q DATA"]) {
      const [flag, verb] = command.split(" ");
      const directory = await startSink(flag!, verb!.toLowerCase());
      const { agent, deliver } = testAgent();
      const reports = await Promise.all(
        Array.from(
          { length: 20 },
          (_, i) => deliver({ nexthop: `[127.0.0.1]:${PORT}`, content: `X-Number: ${i}\r\n\r\nx\r\n` }),
        ),
      );
      const sent = reports.filter(({ outcomes }) => outcomes[0]!.is === "sent").length;
      expect([command, sent, received(directory).filter((number) => number !== "none").length]).toEqual([
        command,
        0,
        0,
      ]);
      await agent.close();
      await stopSink();
    }
  }, 180_000);
});
