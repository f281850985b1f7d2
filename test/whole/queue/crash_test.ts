// The first promise: a message that got its 250 is delivered, whatever happens to the processes, and to the clock.
import { expect } from "bun:test";
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { type CountingSink, digestOf, startCountingSink } from "../../kit/servers/counting_sink.ts";
import { type Accepted, startLoad } from "../../kit/load.ts";
import { cutPower, family, isRunning, kill } from "../../kit/memory/power.ts";
import { type FakedTime, fakedTime } from "../../kit/faked_time.ts";
import { withPeers } from "../../kit/peers.ts";
import { type Server, startServer } from "../../kit/server.ts";
import { chanceOf } from "../../kit/chance.ts";
import { pause, until, untilNextTick } from "../../kit/waiting.ts";

const chance = chanceOf(import.meta.path);

const { describe, test } = withPeers(import.meta.path, "dist/mta");

const LONG = process.env.MTA_LONG_TESTS === "1";
const ROUNDS = LONG ? 200 : 10;
const LANES = 12;

/** What lies in the mailbox that helpers deliver to: how often, by the messages' ids, and the digests of their bodies. */
interface Box {
  readonly user: number;
  readonly address: string;
  readonly messages: Map<string, { count: number; readonly digests: Set<string> }>;
  readonly seen: Set<string>;
}

interface World {
  readonly sink: CountingSink;
  readonly time?: FakedTime;
  readonly box?: Box;
  /** What was done to the world, for the report. */
  readonly done: { helpersKilled: number; inTheMiddle: number; stepsBack: number; stepsForward: number };
  readonly accepted: Accepted[];
  directory: string | undefined;
  server: Server | undefined;
}

async function start(world: World): Promise<Server> {
  const { box } = world;
  world.server = await startServer({
    directory: world.directory,
    env: world.time?.env,
    mainCf: [
      "mydestination =",
      `relayhost = [127.0.0.1]:${world.sink.port}`,
      "smtpd_relay_restrictions = permit_mynetworks, reject",
      "worker_processes = 2",
      "minimal_backoff_time = 1s",
      "maximal_backoff_time = 2s",
      "queue_run_delay = 1s",
      "smtpd_client_connection_count_limit = 0",
      ...world.time?.mainCf ?? [],
      ...box === undefined ? [] : [
        "virtual_mailbox_domains = boxes.example",
        "virtual_mailbox_base = $mail_spool_directory",
        "virtual_mailbox_maps = static:box/",
        `virtual_uid_maps = static:${box.user}`,
        `virtual_gid_maps = static:${box.user}`,
      ],
    ],
  });
  return world.server;
}

function makeBox(path: string, user: number): void {
  mkdirSync(path, { recursive: true });
  chownSync(path, user, user);
}

/** The helpers of a server. */
function helpers(server: Server): number[] {
  return family(server.pid).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "latin1").startsWith("mta: helper");
    } catch {
      return false;
    }
  });
}

/** Whether a process has a file of the mailbox open that is not finished: it is in the middle of a delivery. */
function delivers(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`).includes("/box/tmp/");
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}

/** Kills helpers for a while, those first that are caught in the middle of a delivery. */
async function killHelpers(world: World, server: Server, milliseconds: number): Promise<void> {
  for (const end = Date.now() + milliseconds; Date.now() < end; await pause(2)) {
    for (const pid of helpers(server)) {
      kill([pid], "SIGSTOP");
      const caught = delivers(pid);
      if (caught || chance.random() < 0.02) {
        world.done.helpersKilled++;
        if (caught) world.done.inTheMiddle++;
        kill([pid]);
      } else kill([pid], "SIGCONT");
    }
  }
}

/** Sets the clock, by up to two days from the truth. */
function stepClock({ time, done }: World): void {
  if (time === undefined) return;
  const by = Math.round((chance.random() < 0.5 ? 1 : 24) * 3600 * (0.5 + chance.random()));
  const forward = time.offset < -86_400 || (time.offset < 86_400 && chance.random() < 0.5);
  time.step(forward ? by : -by);
  if (forward) done.stepsForward++;
  else done.stepsBack++;
}

/** Load for a while, then every process dies; or only one worker does, and then all. */
async function round(world: World): Promise<void> {
  const server = await start(world);
  world.directory = server.directory;
  if (world.box !== undefined) makeBox(join(server.directory, "mail/box"), world.box.user);
  const load = startLoad(
    server.port,
    LANES,
    (message) => void world.accepted.push(message),
    world.box?.address,
  );
  await pause(100 + chance.random() * (LONG ? 500 : 900));
  if (chance.random() < 0.5) stepClock(world);
  if (world.box !== undefined && chance.random() < 0.5) await killHelpers(world, server, 300);
  if (chance.random() < 0.3) {
    kill(family(server.pid).slice(1, 2));
    await pause(100 + chance.random() * 400);
  }
  const stopped = load.stop();
  await cutPower(server);
  await stopped;
}

/** Takes note of what has come into the mailbox since. */
function lookInto({ box, directory }: World): void {
  if (box === undefined) return;
  const folder = join(directory!, "mail/box/new");
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    if (box.seen.has(name)) continue;
    box.seen.add(name);
    const text = readFileSync(join(folder, name), "latin1").replaceAll("\n", "\r\n");
    const id = /^X-Count: (.*)\r$/m.exec(text)![1]!;
    const known = box.messages.get(id) ?? { count: 0, digests: new Set() };
    known.count++;
    known.digests.add(digestOf(Buffer.from(text.slice(text.indexOf("\r\n\r\n") + 4), "latin1")));
    box.messages.set(id, known);
  }
}

function missing(world: World): Accepted[] {
  lookInto(world);
  const { accepted, sink, box } = world;
  return accepted.filter(({ id, recipients }) => {
    const counted = sink.messages.get(id);
    return counted === undefined ||
      recipients.some((recipient) =>
        recipient === box?.address ? !box.messages.has(id) : !counted.recipients.has(recipient)
      );
  });
}

function isDamaged({ sink, box }: World, { id, digest }: Accepted): boolean {
  return [sink.messages.get(id)?.digests, box?.messages.get(id)?.digests].some((digests) =>
    digests !== undefined && (digests.size !== 1 || !digests.has(digest))
  );
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

/** Deaths, and what belongs to them, until everything has come; throws when something is missing or not whole. */
async function dieAgainAndAgain(extra: Pick<World, "time" | "box">): Promise<World> {
  const refused = new Set<string>();
  const sink = await startCountingSink((recipient) => {
    // Every tenth recipient is put off once, so that deferred mail lives through deaths too.
    if (!/[05][0-9a-f]@/.test(recipient) || refused.has(recipient)) return false;
    refused.add(recipient);
    return true;
  });
  const world: World = {
    sink,
    ...extra,
    accepted: [],
    directory: undefined,
    server: undefined,
    done: { helpersKilled: 0, inTheMiddle: 0, stepsBack: 0, stepsForward: 0 },
  };
  try {
    for (let rounds = 0; rounds < ROUNDS; rounds++) await round(world);
    const server = await start(world);
    // Nobody asks for a flush: what was deferred by a clock that has been set back since goes out all the same.
    if (world.time !== undefined && world.time.offset > -86_400) world.time.step(-3 * 3600);
    const left = await settle(world);
    if (left.length > 0) throw new Error(report(world, left, server));
    expect(world.accepted.filter((message) => isDamaged(world, message))).toEqual([]);
    expect(world.accepted.length).toBeGreaterThan(ROUNDS * 10);
    expect(refused.size).toBeGreaterThan(0);
    expect(server.log()).not.toContain("corrupt");
    expect(server.log()).not.toContain("DAMAGE");
    let deliveries = 0;
    for (const { recipients } of sink.messages.values()) {
      for (const times of recipients.values()) deliveries += times;
    }
    for (const { count } of world.box?.messages.values() ?? []) deliveries += count;
    const wanted = world.accepted.reduce((sum, { recipients }) => sum + recipients.length, 0);
    console.log(
      `crash: ${ROUNDS} deaths, ${world.accepted.length} messages accepted, ${wanted} recipients, ` +
        `${deliveries} deliveries, ${JSON.stringify(world.done)}`,
    );
    expect(await server.stop({ keep: true })).toBe(0);
    return world;
  } finally {
    if (world.server !== undefined) kill(family(world.server.pid).filter(isRunning));
    await sink.close();
    if (world.directory !== undefined) rmSync(world.directory, { recursive: true, force: true });
  }
}

describe("the server dies in the middle of its work", () => {
  test(`after ${ROUNDS} deaths every message that got a 250 is delivered, whole`, async () => {
    await dieAgainAndAgain({});
  }, LONG ? 1_800_000 : 120_000);
});

const stepped = withPeers(import.meta.path, "dist/mta", "libfaketime", "root");

stepped.describe(
  "beside that helpers die in the middle of deliveries and the clock is set back and forth",
  () => {
    stepped.test(
      `after ${ROUNDS} deaths every message that got a 250 is delivered, whole, without a flush`,
      async () => {
        const time = fakedTime();
        try {
          const { done } = await dieAgainAndAgain({
            time,
            box: { user: 12_345, address: "box@boxes.example", messages: new Map(), seen: new Set() },
          });
          expect(done.helpersKilled).toBeGreaterThan(0);
          if (LONG) expect(Math.min(done.inTheMiddle, done.stepsBack, done.stepsForward)).toBeGreaterThan(0);
        } finally {
          time.remove();
        }
      },
      LONG ? 1_800_000 : 180_000,
    );
  },
);

stepped.describe("a clock that is set back by a day", () => {
  for (const restarts of [false, true]) {
    stepped.test(
      `does not keep deferred mail, without a flush${restarts ? ", nor over a restart" : ""}`,
      async () => {
        const time = fakedTime();
        const box: Box = { user: 12_345, address: "box@boxes.example", messages: new Map(), seen: new Set() };
        let open = false;
        const sink = await startCountingSink(() => !open);
        const world: World = {
          sink,
          time,
          box,
          accepted: [],
          directory: undefined,
          server: undefined,
          done: { helpersKilled: 0, inTheMiddle: 0, stepsBack: 0, stepsForward: 0 },
        };
        try {
          let server = await start(world);
          world.directory = server.directory;
          makeBox(join(server.directory, "mail/box"), box.user);
          const load = startLoad(server.port, 1, (message) => void world.accepted.push(message), box.address);
          const deferred = () => new Set(server.log().match(/[0-9A-F]{12}(?=: .*status=deferred)/g)).size;
          await until("20 messages deferred", () => deferred() >= 20);
          await load.stop();
          time.step(-86_400);
          if (restarts) {
            await server.stop({ keep: true });
            server = await start(world);
          }
          open = true;
          expect(await settle(world)).toEqual([]);
          // The server's clock is another one indeed.
          const after = startLoad(
            server.port,
            1,
            (message) => void world.accepted.push(message),
            box.address,
          );
          const boxes = box.seen.size;
          await until("new mail in the box", () => (lookInto(world), box.seen.size > boxes));
          await after.stop();
          const newest = [...box.seen].at(-1)!;
          const date = /^Received:(?:.*\n[ \t])*.*;\s*(.*)$/m.exec(
            readFileSync(join(server.directory, "mail/box/new", newest), "latin1"),
          )![1]!;
          expect(Date.now() - Date.parse(date)).toBeGreaterThan(80_000_000);
        } finally {
          await world.server?.stop();
          await sink.close();
          time.remove();
        }
      },
      180_000,
    );
  }
});

describe("a shard that has lost its owner", () => {
  test("is taken over by a running server, whenever it is found", async () => {
    const sink = await startCountingSink();
    const accepted: Accepted[] = [];
    const waiting = await startServer({ mainCf: ["mydestination =", "relayhost = [127.0.0.1]:1"] });
    const load = startLoad(waiting.port, 2, (message) => void accepted.push(message));
    await until("some mail", () => accepted.length > 10);
    await load.stop();
    await waiting.stop({ keep: true });
    const server = await startServer({
      mainCf: ["mydestination =", `relayhost = [127.0.0.1]:${sink.port}`, "minimal_backoff_time = 1s"],
    });
    try {
      await untilNextTick(500); // so that it comes to a server that has looked for shards already
      renameSync(`${waiting.queueDirectory}/mta/shard-0`, `${server.queueDirectory}/mta/shard-9`);
      expect((await server.mta("flush")).code).toBe(0);
      await server.logged(/shard-9/);
      await server.mta("flush");
      const left = await settle({
        sink,
        accepted,
        directory: undefined,
        server,
        done: { helpersKilled: 0, inTheMiddle: 0, stepsBack: 0, stepsForward: 0 },
      });
      expect([accepted.length > 0, left]).toEqual([true, []]);
    } finally {
      await server.stop();
      await sink.close();
      rmSync(waiting.directory, { recursive: true, force: true });
    }
  }, 180_000);
});

function report(world: World, left: readonly Accepted[], server: Server): string {
  const ids = left.slice(0, 5).map(({ id }) => id).join(" ");
  const log = server.log().split("\n").slice(-30).join("\n");
  return `${left.length} of ${world.accepted.length} messages are lost: ${ids}\n${log}`;
}
