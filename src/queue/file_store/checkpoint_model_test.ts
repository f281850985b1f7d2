// Checkpoints say what their segments say, and whoever doubts one reads the segment: nothing is lost or repeated by any of them.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { World } from "../../../test/kit/memory/crash_world.ts";
import type { FakeDisk } from "../../../test/kit/memory/fake_disk.ts";
import { crc32 } from "../../platform/checksum.ts";
import { siteKey } from "../index/site_index.ts";
import { CheckpointDraft, readCheckpoint } from "../log/checkpoint.ts";
import { QUEUE_LIMITS } from "../log/file_store_options.ts";
import { slotsIn } from "../log/slots_in.ts";
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
  for (const segment of log.segments) {
    expect(await slotsIn(segment, index, shard.checkpoints)).toEqual(index.slotsIn(segment.number));
  }
  shard.close();
  disk.onCall = () => undefined;
  return {
    messages,
    segments,
    readTwice: [...read].filter(([path, count]) => path.endsWith(".seg") && count > 1),
  };
}

const runs = process.env.MTA_LONG_TESTS === "1" ? 3000 : 150;

interface Life {
  readonly seed: number;
  readonly steps: number;
  readonly end: "clean" | "signal" | "power";
  readonly bySite: boolean;
  readonly starts: number;
}

const life: fc.Arbitrary<Life> = fc.record({
  seed: fc.integer({ min: 0, max: 0x7fffffff }),
  steps: fc.integer({ min: 50, max: 300 }),
  end: fc.constantFrom("clean", "signal", "power"),
  bySite: fc.boolean(),
  starts: fc.integer({ min: 1, max: 3 }),
});

/** A shard that was started, used and ended so often. */
async function lived({ seed, steps, end, bySite, starts }: Life): Promise<World> {
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
  return world;
}

/** What is in memory of a shard without checkpoints. */
async function wantedOf(disk: FakeDisk, bySite: boolean) {
  const bare = disk.look();
  for (const path of checkpointsOf(bare)) bare.damage(path, () => undefined);
  return await inMemory(bare, bySite);
}

test("a shard is in memory as it would be if every segment had been read", async () => {
  let [believed, written] = [0, 0];
  const property = fc.asyncProperty(life, async (plan) => {
    const { disk } = await lived(plan);
    const wanted = await wantedOf(disk, plan.bySite);
    written += checkpointsOf(disk).length;
    const found = await inMemory(disk.look(), plan.bySite);
    expect(found.messages).toEqual(wanted.messages);
    expect(found.segments).toEqual(wanted.segments);
    believed += wanted.readTwice.length - found.readTwice.length;
  });
  await fc.assert(property, { numRuns: runs });
  expect(believed).toBeGreaterThan(written / 2);
}, 600_000);

/** Ways in which a checkpoint is not the one of its segment, as bytes that stand there; undefined when it is missing. */
const WRONGS: Readonly<Record<string, (bytes: Buffer, other: Buffer, at: number) => Buffer | undefined>> = {
  missing: () => undefined,
  empty: () => Buffer.alloc(0),
  torn: (bytes, _, at) => bytes.subarray(0, Math.floor(bytes.length * at)),
  "with a hole": (bytes, _, at) => {
    const from = Math.floor(bytes.length * at);
    return bytes.fill(0, from, Math.min(from + 512, bytes.length));
  },
  rotten: (bytes, _, at) => {
    bytes[Math.floor(bytes.length * at)]! ^= 1 << Math.floor(at * 8);
    return bytes;
  },
  "of another segment": (_, other) => other,
  "of another segment, with this one's number": (bytes, other) => {
    bytes.copy(other, 8, 8, 12);
    return signed(other);
  },
  "of a newer version": (bytes) => {
    bytes.writeUInt16LE(2, 4);
    return signed(bytes);
  },
  "with records of a newer version": (bytes) => {
    bytes.writeUInt32LE(99, 28);
    return signed(bytes);
  },
  stale: (bytes) => shortened(bytes),
  "of a longer segment": (bytes) => {
    bytes.writeDoubleLE(bytes.readDoubleLE(16) + 100, 16);
    return signed(bytes);
  },
};

/** With a checksum that is right. */
function signed(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(crc32(bytes.subarray(56), crc32(bytes.subarray(0, 52))), 52);
  return bytes;
}

/** As it would have been written before the last record came. */
function shortened(bytes: Buffer): Buffer | undefined {
  const checkpoint = readCheckpoint(bytes)!;
  const entries = [...checkpoint.entries()].slice(0, -1);
  const last = entries.at(-1);
  if (last === undefined) return undefined;
  const draft = new CheckpointDraft(checkpoint.sites);
  for (const entry of entries) draft.add({ ...entry, meta: entry.meta(), sites: entry.sites() });
  return draft.finish({ ...checkpoint, end: last.offset + last.length });
}

test(
  "whatever is wrong with checkpoints, nothing is lost, repeated or told by them, and they are right at the next start",
  async () => {
    let wrongs = 0;
    const damage = fc.record({
      wrong: fc.constantFrom(...Object.keys(WRONGS)),
      file: fc.nat(9),
      at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    });
    const property = fc.asyncProperty(
      life,
      fc.array(damage, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      async (plan, damages, orphan) => {
        const world = await lived(plan);
        const { disk } = world;
        const wanted = await wantedOf(disk, plan.bySite);
        const sound = new Map(
          checkpointsOf(disk).flatMap((path) => {
            const bytes = disk.bytesOf(path);
            return readCheckpoint(bytes) === undefined ? [] : [[path, bytes] as const];
          }),
        );
        const paths = [...sound.keys()];
        for (const { wrong, file, at } of paths.length === 0 ? [] : damages) {
          const [path, other] = [paths[file % paths.length]!, paths[(file + 1) % paths.length]!];
          if (path === other || !disk.exists(path)) continue;
          disk.damage(
            path,
            () => WRONGS[wrong]!(Buffer.from(sound.get(path)!), Buffer.from(sound.get(other)!), at),
          );
          wrongs++;
        }
        const alone = `${LOG}/00000001-00000001.idx`;
        if (orphan && paths.length > 0) disk.create(alone).write([sound.get(paths[0]!)!], 0);
        const found = await inMemory(disk.look(), plan.bySite);
        expect(found.messages).toEqual(wanted.messages);
        expect(found.segments).toEqual(wanted.segments);

        await world.start(0);
        expect(disk.exists(alone)).toBe(false);
        await world.verify(true);
        expect(world.alarms()).toEqual([]);
        world.end("signal");
        const again = await inMemory(world.disk.look(), plan.bySite);
        expect(again.readTwice.length).toBeLessThanOrEqual(wanted.readTwice.length);
        expect(again.messages).toEqual((await wantedOf(world.disk, plan.bySite)).messages);
      },
    );
    await fc.assert(property, { numRuns: runs });
    expect(wrongs).toBeGreaterThan(runs / 2);
  },
  600_000,
);
