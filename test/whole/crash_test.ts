// The first promise: a message that got its 250 is delivered, whatever happens to the processes.
import { describe, expect, test } from "bun:test";
import { renameSync, rmSync } from "node:fs";
import { type CountingSink, startCountingSink } from "../kit/counting_sink.ts";
import { type Accepted, startLoad } from "../kit/load.ts";
import { cutPower, family, isRunning, kill } from "../kit/power.ts";
import { HAVE_BINARY, type Server, startServer } from "../kit/server.ts";

const LONG = process.env.MTA_LONG_TESTS === "1";
const ROUNDS = LONG ? 200 : 10;
const LANES = 12;

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

interface World {
  readonly sink: CountingSink;
  readonly accepted: Accepted[];
  directory: string | undefined;
  server: Server | undefined;
}

async function start(world: World): Promise<Server> {
  return world.server = await startServer({
    directory: world.directory,
    patience: 30_000,
    mainCf: [
      "mydestination =",
      `relayhost = [127.0.0.1]:${world.sink.port}`,
      "smtpd_relay_restrictions = permit_mynetworks, reject",
      "worker_processes = 2",
      "minimal_backoff_time = 1s",
      "maximal_backoff_time = 2s",
      "queue_run_delay = 1s",
      "smtpd_client_connection_count_limit = 0",
    ],
  });
}

/** Load for a while, then every process dies; or only one worker does, and then all. */
async function round(world: World): Promise<void> {
  const server = await start(world);
  world.directory = server.directory;
  const load = startLoad(server.port, LANES, (message) => void world.accepted.push(message));
  await pause(100 + Math.random() * (LONG ? 500 : 900));
  if (Math.random() < 0.3) {
    kill(family(server.pid).slice(1, 2));
    await pause(100 + Math.random() * 400);
  }
  const stopped = load.stop();
  await cutPower(server);
  await stopped;
}

function missing({ accepted, sink }: World): Accepted[] {
  return accepted.filter(({ id, recipients }) => {
    const counted = sink.messages.get(id);
    return counted === undefined || recipients.some((recipient) => !counted.recipients.has(recipient));
  });
}

/** Waits until everything is there, as long as there is progress. */
async function settle(world: World): Promise<Accepted[]> {
  let left = missing(world);
  for (let idle = 0; left.length > 0 && idle < 200;) {
    await pause(100);
    const now = missing(world);
    idle = now.length < left.length ? 0 : idle + 1;
    left = now;
  }
  return left;
}

describe.skipIf(!HAVE_BINARY)("the server dies in the middle of its work", () => {
  test(`after ${ROUNDS} deaths every message that got a 250 is delivered, whole`, async () => {
    const refused = new Set<string>();
    const sink = await startCountingSink((recipient) => {
      // Every tenth recipient is put off once, so that deferred mail lives through deaths too.
      if (!/[05][0-9a-f]@/.test(recipient) || refused.has(recipient)) return false;
      refused.add(recipient);
      return true;
    });
    const world: World = { sink, accepted: [], directory: undefined, server: undefined };
    try {
      for (let rounds = 0; rounds < ROUNDS; rounds++) await round(world);
      const server = await start(world);
      const left = await settle(world);
      if (left.length > 0) throw new Error(await report(world, left, server));
      const damaged = world.accepted.filter(({ id, digest }) => {
        const { digests } = sink.messages.get(id)!;
        return digests.size !== 1 || !digests.has(digest);
      });
      expect(damaged).toEqual([]);
      expect(world.accepted.length).toBeGreaterThan(ROUNDS * 10);
      expect(refused.size).toBeGreaterThan(0);
      expect(server.log()).not.toContain("corrupt");
      let deliveries = 0;
      for (const { recipients } of sink.messages.values()) {
        for (const times of recipients.values()) deliveries += times;
      }
      const wanted = world.accepted.reduce((sum, { recipients }) => sum + recipients.length, 0);
      console.log(
        `crash: ${world.accepted.length} messages accepted, ${wanted} recipients, ${deliveries} deliveries`,
      );
      expect(await server.stop({ keep: true })).toBe(0);
    } finally {
      if (world.server !== undefined) kill(family(world.server.pid).filter(isRunning));
      await sink.close();
      if (world.directory !== undefined) rmSync(world.directory, { recursive: true, force: true });
    }
  }, LONG ? 1_800_000 : 120_000);
});

describe.skipIf(!HAVE_BINARY)("a shard that has lost its owner", () => {
  test("is taken over by a running server, whenever it is found", async () => {
    const sink = await startCountingSink();
    const accepted: Accepted[] = [];
    const waiting = await startServer({ mainCf: ["mydestination =", "relayhost = [127.0.0.1]:1"] });
    const load = startLoad(waiting.port, 2, (message) => void accepted.push(message));
    await pause(300);
    await load.stop();
    await waiting.stop({ keep: true });
    const server = await startServer({
      mainCf: ["mydestination =", `relayhost = [127.0.0.1]:${sink.port}`, "minimal_backoff_time = 1s"],
    });
    try {
      await pause(500);
      renameSync(`${waiting.queueDirectory}/mta/shard-0`, `${server.queueDirectory}/mta/shard-9`);
      expect((await server.mta("flush")).code).toBe(0);
      await server.logged(/shard-9/, 25_000);
      await server.mta("flush");
      const left = await settle({ sink, accepted, directory: undefined, server });
      expect([accepted.length > 0, left]).toEqual([true, []]);
    } finally {
      await server.stop();
      await sink.close();
      rmSync(waiting.directory, { recursive: true, force: true });
    }
  }, 60_000);
});

async function report(world: World, left: readonly Accepted[], server: Server): Promise<string> {
  const queue = (await server.mta("postqueue", "-p")).stdout.split("\n").slice(-20).join("\n");
  const ids = left.slice(0, 5).map(({ id }) => id).join(" ");
  const log = server.log().split("\n").slice(-30).join("\n");
  return `${left.length} of ${world.accepted.length} messages are lost: ${ids}\n${queue}\n${log}`;
}
