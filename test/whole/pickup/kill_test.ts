// A drop becomes one message, however often everything is killed in the middle of it.
import { afterEach, expect, setDefaultTimeout } from "bun:test";
import { chanceOf } from "../../kit/chance.ts";
import { drop, dropped, messagesIn, ONE_BOX, untilTaken } from "../../kit/drops.ts";
import { cutPower, family, kill } from "../../kit/memory/power.ts";
import { withPeers } from "../../kit/peers.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { pause, until } from "../../kit/waiting.ts";

setDefaultTimeout(600_000);
const { test } = withPeers(import.meta.path, "dist/mta");
const ROUNDS = process.env.MTA_LONG_TESTS === "1" ? 60 : 6;
const chance = chanceOf(import.meta.path);
let server: Server;
afterEach(async () => void await server?.stop());

/** Rows of the queue's listing. */
async function listed(): Promise<string[]> {
  const { stdout } = await server.mta("postqueue", "-j");
  return stdout.trim().split("\n").filter((each) => each !== "");
}

/** Every message that was made: its subject and its queue id, delivered or held. */
async function made(): Promise<Map<string, Set<string>>> {
  const found = new Map<string, Set<string>>();
  const add = (text: string) => {
    const [subject, id] = [/^Subject: (.*)$/m.exec(text)?.[1], /^\tid (\w+);/m.exec(text)?.[1]];
    if (subject === undefined || id === undefined) return; // the end of the process cut the mailbox here
    found.set(subject, (found.get(subject) ?? new Set()).add(id));
  };
  messagesIn(server.directory).forEach(add);
  for (const line of await listed()) {
    add((await server.mta("postcat", "-h", "-b", "-q", JSON.parse(line).queue_id)).stdout);
  }
  return found;
}

test("each drop becomes one message, whenever the service is killed", async () => {
  const mainCf = [
    ...ONE_BOX,
    "worker_processes = 2",
    "header_checks = regexp:{{/^Subject: held/ HOLD}}",
    "enable_long_queue_ids = yes",
  ];
  server = await startServer({ mainCf });
  const { directory, queueDirectory } = server;
  const subjects: string[] = [];
  const dropSome = (count: number) => {
    for (let k = 0; k < count; k++) {
      const subject = `${k % 3 === 0 ? "held" : "sent"} ${subjects.length}`;
      // Some are too long to be kept in memory.
      const text = "a line of text\n".repeat(k % 7 === 0 ? 20_000 : 20);
      drop(queueDirectory, { sender: "ann@example.com", content: `Subject: ${subject}\n\n${text}` });
      subjects.push(subject);
    }
  };
  for (let round = 0; round < ROUNDS; round++) {
    dropSome(20);
    await pause(Math.floor(chance.random() * 120));
    if (round % 2 === 0) {
      await cutPower(server);
      dropSome(10);
      server = await startServer({ mainCf, directory });
    } else kill(family(server.pid).slice(1)); // master starts others in their place
  }
  await untilTaken(queueDirectory);
  const done = async () => (await listed()).length + new Set(messagesIn(directory)).size >= subjects.length;
  await until(() => `all messages; ${server.log().slice(-2000)}`, done);
  const ids = [...(await made()).values()];
  expect(ids).toHaveLength(subjects.length);
  expect(ids.filter(({ size }) => size !== 1)).toEqual([]);
  expect(dropped(queueDirectory)).toEqual([]);
});
