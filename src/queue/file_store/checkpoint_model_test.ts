// Checkpoints say what their segments say, and whoever doubts one reads the segment: nothing is lost or repeated by any of them.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { World } from "../../../test/kit/memory/crash_world.ts";
import type { FakeDisk } from "../../../test/kit/memory/fake_disk.ts";
import { siteKey } from "../index/site_index.ts";
import { QUEUE_LIMITS } from "../log/file_store_options.ts";
import { Shard } from "./shard.ts";

const LOG = "/q/mta/shard-0/log";

function checkpointsOf(disk: FakeDisk): string[] {
  return disk.list(LOG).filter((name) => name.endsWith(".idx")).map((name) => `${LOG}/${name}`);
}

/** All that is in memory of a shard once it is opened, and how many segments were read for it. */
async function inMemory(disk: FakeDisk, bySite: boolean) {
  const read = new Map<string, number>();
  disk.onCall = ({ name, path }) => {
    if (name === "read") read.set(path, (read.get(path) ?? 0) + 1);
    return undefined;
  };
  const shard = (await Shard.open({
    directory: "/q",
    name: "shard-0",
    mode: "read",
    disk,
    random: () => 0,
    now: () => 0,
    limits: { ...QUEUE_LIMITS, block: 512 },
    bySite,
    report: () => {},
  }))!;
  const { index, log, outcomes } = shard;
  const messages = Array.from(index.slots(), (slot) => ({
    id: index.idOf(slot),
    at: [index.segment[slot], index.offset[slot], index.length[slot]],
    state: index.stateLength[slot] === 0
      ? undefined
      : [index.stateSegment[slot], index.stateOffset[slot], index.stateLength[slot]],
    numbers: [index.size[slot], index.arrival[slot], index.due[slot], index.flags[slot], index.queue[slot]],
    spool: index.spoolSize(slot),
    changes: outcomes.differs(slot) && outcomes.view(slot, []),
    site: index.sites?.has(slot, siteKey("x")),
  }));
  const segments = log.segments.map(({ number, start, end, live, messages, lastBatch }) => ({
    number,
    start,
    end,
    live,
    messages,
    lastBatch,
  }));
  shard.close();
  disk.onCall = () => undefined;
  return {
    messages,
    segments,
    readTwice: [...read].filter(([path, count]) => path.endsWith(".seg") && count > 1),
  };
}

const runs = process.env.MTA_LONG_TESTS === "1" ? 3000 : 150;

test("a shard is in memory as it would be if every segment had been read", async () => {
  let [believed, written] = [0, 0];
  const plans = fc.record({
    seed: fc.integer({ min: 0, max: 0x7fffffff }),
    steps: fc.integer({ min: 50, max: 300 }),
    end: fc.constantFrom("clean", "signal", "power"),
    bySite: fc.boolean(),
    starts: fc.integer({ min: 1, max: 3 }),
  });
  const property = fc.asyncProperty(plans, async ({ seed, steps, end, bySite, starts }) => {
    const world = new World(seed);
    world.bySite = bySite;
    for (let start = 0; start < starts; start++) {
      await world.start(0);
      await world.verify(true);
      for (let step = 0; step < steps; step++) await world.step();
      if (end === "clean") {
        await world.turns(30);
        await world.store.close();
      }
      world.end(end === "power" ? "power" : "signal");
    }
    const bare = world.disk.kill();
    const checkpoints = checkpointsOf(bare);
    for (const path of checkpoints) bare.damage(path, () => undefined);
    const wanted = await inMemory(bare, bySite);
    const found = await inMemory(world.disk.kill(), bySite);
    expect(found.messages).toEqual(wanted.messages);
    expect(found.segments).toEqual(wanted.segments);
    written += checkpoints.length;
    believed += wanted.readTwice.length - found.readTwice.length;
  });
  await fc.assert(property, { numRuns: runs });
  expect(believed).toBeGreaterThan(written / 2);
}, 600_000);
