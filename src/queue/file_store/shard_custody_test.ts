import { expect, test } from "bun:test";
import fc from "fast-check";
import { internalAddress } from "../../address/address.ts";
import { generator } from "../../../test/kit/memory/crash_world.ts";
import { FakeDisk } from "../../../test/kit/memory/fake_disk.ts";
import type { QueueId } from "../envelope.ts";
import type { QueueStore } from "../store.ts";
import { ShardCustody } from "./shard_custody.ts";
import { beginFileStore, openFileStore } from "./open_file_store.ts";

const DROPS = 6;

interface Cut {
  readonly after: number;
  readonly by: "power" | "signal";
}

/** A folder of files, a store that makes messages of them, and deliveries, over and over until the power fails. */
class World {
  disk: FakeDisk;
  readonly random: () => number;
  /** Files whose messages have been delivered, durably so. */
  readonly finished = new Set<string>();
  readonly delivered = new Set<string>();
  #crashed = new Promise<void>(() => {});

  constructor(seed: number) {
    this.random = generator(seed);
    this.disk = new FakeDisk(this.random);
  }

  async prepare(): Promise<void> {
    this.disk.makeDirectory("/q/drop");
    for (let k = 0; k < DROPS; k++) {
      const file = this.disk.create(`/q/drop/d${k}`);
      file.write([Buffer.from(`text of d${k}`)], 0);
      await file.sync();
    }
    await this.disk.syncDirectory("/q/drop");
  }

  /** `early`: it is loaded while files become messages. */
  async open(shard: number, early: boolean): Promise<QueueStore> {
    const { disk } = this;
    this.#crashed = new Promise((resolve) => disk.onCrash = resolve);
    disk.readTurns = early ? Math.floor(this.random() * 12) : 0;
    return await (early ? beginFileStore : openFileStore)({
      directory: "/q",
      shard,
      disk,
      settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
      limits: { outcomeDelay: 1, segmentSize: 4096, preallocate: 1024, block: 512 },
      random: () => Math.floor(this.random() * 4294967296),
      report: () => {},
      after: (milliseconds, call) => {
        const timer = setTimeout(() => disk.dead || call(), Math.min(milliseconds, 1e6));
        return () => clearTimeout(timer);
      },
    });
  }

  /** Makes messages of all files and delivers them; ends early when the disk does. */
  async work(shard: number): Promise<void> {
    const { disk } = this;
    const work = async () => {
      const early = this.random() < 0.5;
      const store = await this.open(shard, early);
      if (!early) await store.adoptOrphans();
      const names = disk.list("/q/drop");
      const taken: QueueId[] = [...store.custody.left()];
      for (const name of names) {
        const id = store.newId();
        if (store.custody.take(`/q/drop/${name}`, id)) taken.push(id);
      }
      // What another shard has half taken over is not delivered before that is known.
      const delivered = early ? undefined : this.#deliver(store);
      await Promise.all([delivered, ...taken.map((id) => this.#submit(store, id))]);
      await store.adoptOrphans();
      await Promise.all(store.custody.left().map((id) => this.#submit(store, id)));
      await this.#deliver(store);
      await store.close();
    };
    const worked = work().catch((error) => {
      if (!disk.dead) throw error;
    });
    await Promise.race([worked, this.#crashed]);
    for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
  }

  async #submit(store: QueueStore, id: QueueId): Promise<void> {
    const bytes = this.disk.bytesOf(store.custody.path(id));
    await store.custody.secured();
    const draft = store.draft(id);
    await draft.write(bytes);
    const nobody = internalAddress("a@x");
    const recipients = [{ address: nobody, original: nobody, notify: 0 }];
    await draft.commit({ id, arrival: Date.now(), sender: nobody, recipients, origin: {} }, Buffer.alloc(0));
    store.custody.drop(id);
  }

  async #deliver(store: QueueStore): Promise<void> {
    for (let rounds = 0; rounds < 30; rounds++) {
      for (const id of await store.takeDue(Date.now() + 1e9, 10)) {
        const { content } = await store.open(id);
        const text = Buffer.from(content.bytes!).toString();
        // What has left for good must not be taken up again.
        expect(this.finished.has(text)).toBe(false);
        this.delivered.add(text);
        store.remove(id);
        await store.flush();
        if (!this.disk.dead) this.finished.add(text);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

const cut: fc.Arbitrary<Cut> = fc.record({
  after: fc.integer({ min: 1, max: 250 }),
  by: fc.constantFrom("power" as const, "signal" as const),
});

test(
  "whatever ends the process, each file becomes one message, and none that has been delivered",
  async () => {
    const plans = fc.record({
      seed: fc.integer({ min: 0, max: 0x7fffffff }),
      cuts: fc.array(cut, { minLength: 1, maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(plans, async ({ seed, cuts }) => {
        const world = new World(seed);
        await world.prepare();
        for (const [turn, { after, by }] of cuts.entries()) {
          const from = world.disk.calls;
          world.disk.onCall = ({ number }) => number - from >= after ? "crash" : undefined;
          await world.work(turn % 2);
          world.disk = by === "power" ? world.disk.crash() : world.disk.kill();
        }
        await world.work(0);
        expect([...world.delivered].sort()).toEqual(Array.from({ length: DROPS }, (_, k) => `text of d${k}`));
        const { disk } = world;
        expect([...disk.list("/q/drop"), ...disk.list("/q/mta/shard-0/custody")]).toEqual([]);
      }),
      { numRuns: process.env.MTA_LONG_TESTS === "1" ? 2000 : 80 },
    );
  },
  600_000,
);

test("what cannot be moved keeps no other file in the custody of a shard that is gone", async () => {
  const fake = new FakeDisk(generator(1));
  for (const folder of ["/q", "/q/mine", "/q/gone"]) fake.makeDirectory(folder);
  const ids = ["A", "B", "C"] as QueueId[];
  for (const id of ids) await fake.create(`/q/gone/${id}`).sync();
  // As the system answers for a folder that its owner has shut.
  const rename = fake.rename.bind(fake);
  fake.rename = (from, to) => {
    if (from.endsWith("/A")) throw Object.assign(new Error("EACCES"), { code: "EACCES" });
    rename(from, to);
  };
  const [mine, gone] = [new ShardCustody(fake, "/q/mine"), new ShardCustody(fake, "/q/gone")];
  let told = 0;
  mine.onLeft(() => told++);
  for (let attempt = 0; attempt < 2; attempt++) {
    expect(() => mine.adopt(gone, new Set(), (id) => id)).toThrow("EACCES");
  }
  expect([mine.left(), told]).toEqual([["B", "C"] as QueueId[], 2]);
  expect(fake.list("/q/gone")).toEqual(["A"]);
});
