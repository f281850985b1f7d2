import { expect, test } from "bun:test";
import fc from "fast-check";
import { type End, World } from "../../../test/kit/memory/crash_world.ts";

interface Plan {
  readonly seed: number;
  readonly cuts: readonly (End & {
    /** Ends in the middle of the start before. */
    readonly early?: readonly End[];
  })[];
  /** Calls that fail, and how. */
  readonly faults: readonly { readonly after: number; readonly code: string; readonly times: number }[];
}

async function live(plan: Plan): Promise<World> {
  const world = new World(plan.seed);
  world.bulk = plan.faults.length === 0;
  world.early = true;
  const strict = plan.faults.every(({ times }) => times === 1);
  for (const cut of plan.cuts) {
    await world.startThrough(cut.early ?? []);
    await world.verify(strict);
    const { disk } = world;
    const from = disk.calls;
    disk.onCall = ({ number, name }) => {
      if (number - from >= cut.after) return "crash";
      if (name === "read" || name === "open" || name === "list") return undefined;
      return plan.faults.find(({ after, times }) => number - from > after && number - from <= after + times)
        ?.code;
    };
    for (let steps = 0; steps < 400 && !disk.dead; steps++) await world.step();
    await world.turns(2);
    world.end(cut.by);
  }
  await world.start(0);
  await world.verify(strict);
  if (plan.faults.length === 0) expect(world.alarms()).toEqual([]);
  return world;
}

/** A replacement is refused, nothing more can be written, and after the power failure its record is there all the same. */
const REFUSED_REPLACEMENT: Plan = {
  seed: 1253577196,
  cuts: [{ after: 113, by: "power", early: [{ after: 5, by: "power" }] }, {
    after: 1,
    by: "power",
    early: [],
  }],
  faults: [{ after: 106, code: "ENOSPC", times: 5 }],
};

/** A copy that compaction made is refused; its message is finished, and its segment given up, before either can be written down. */
const REFUSED_COPY: Plan = {
  seed: 806549890,
  cuts: [
    { after: 16, by: "power", early: [] },
    { after: 201, by: "signal", early: [] },
    { after: 208, by: "power", early: [] },
    { after: 123, by: "power", early: [{ after: 31, by: "signal" }] },
  ],
  faults: [{ after: 49, code: "ENOSPC", times: 35 }, { after: 30, code: "ENOSPC", times: 11 }],
};

/** The same, and it cannot be cut off: whoever wants the segment gone hears of it, and does not ask again and again in one turn. */
const UNCUT_COPY: Plan = {
  seed: 821508862,
  cuts: [
    {
      after: 273,
      by: "signal",
      early: [{ after: 23, by: "power" }, { after: 27, by: "power" }],
    },
    { after: 130, by: "signal", early: [] },
  ],
  faults: [{ after: 122, code: "EIO", times: 47 }],
};

const seeds = fc.integer({ min: 0, max: 0x7fffffff });
const cuts = fc.array(
  fc.record({ after: fc.integer({ min: 1, max: 300 }), by: fc.constant("power" as const) }),
  {
    minLength: 1,
    maxLength: 3,
  },
);
const by = fc.constantFrom("power" as const, "signal" as const);
const early = fc.array(fc.record({ after: fc.integer({ min: 1, max: 60 }), by }), { maxLength: 2 });
const ends = fc.array(fc.record({ after: fc.integer({ min: 1, max: 300 }), by, early }), {
  minLength: 1,
  maxLength: 4,
});
const runs = process.env.MTA_LONG_TESTS === "1" ? 5000 : 120;

test(
  "whatever the power failure, what was accepted is there once and whole, and outcomes that were flushed hold",
  async () => {
    const plans = fc.record({ seed: seeds, cuts, faults: fc.constant([]) });
    await fc.assert(fc.asyncProperty(plans, async (plan) => void await live(plan)), { numRuns: runs });
  },
  600_000,
);

test(
  "it makes no difference that a process is killed before the power fails, nor that either comes in the middle of a start",
  async () => {
    const plans = fc.record({ seed: seeds, cuts: ends, faults: fc.constant([]) });
    await fc.assert(fc.asyncProperty(plans, async (plan) => void await live(plan)), { numRuns: runs });
  },
  600_000,
);

test("one failed call anywhere refuses at most what it concerned; nothing refused comes back", async () => {
  const fault = fc.record({
    after: fc.integer({ min: 0, max: 150 }),
    code: fc.constantFrom("ENOSPC", "EIO", "EROFS"),
    times: fc.constant(1),
  });
  const plans = fc.record({ seed: seeds, cuts, faults: fc.array(fault, { minLength: 1, maxLength: 1 }) });
  await fc.assert(fc.asyncProperty(plans, async (plan) => void await live(plan)), { numRuns: runs });
}, 600_000);

test("a disk that fails for a while costs nothing that was accepted", async () => {
  const fault = fc.record({
    after: fc.integer({ min: 0, max: 150 }),
    code: fc.constantFrom("ENOSPC", "EIO"),
    times: fc.integer({ min: 2, max: 60 }),
  });
  const plans = fc.record({
    seed: seeds,
    cuts: ends,
    faults: fc.array(fault, { minLength: 1, maxLength: 2 }),
  });
  const property = fc.asyncProperty(plans, async (plan) => void await live(plan));
  await fc.assert(property, {
    numRuns: runs,
    examples: [[REFUSED_REPLACEMENT], [REFUSED_COPY], [UNCUT_COPY]],
  });
}, 600_000);
