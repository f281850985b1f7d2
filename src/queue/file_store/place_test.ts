// No message is accepted into a directory that the next start will not read.
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { idsIn, put } from "../../../test/kit/memory/queue_shard.ts";
import { openFileStore } from "./open_file_store.ts";
import type { QueueEvent } from "../log/file_store_options.ts";
import { openReadOnly } from "./read_only.ts";
import { QueueFault, type QueueStore } from "../store.ts";

interface Bench {
  readonly directory: string;
  readonly store: QueueStore;
  readonly events: QueueEvent[];
  now: number;
  tick(milliseconds: number): void;
}

async function bench(work: (bench: Bench) => Promise<void>): Promise<void> {
  const parent = mkdtempSync(join(tmpdir(), "mta-place-"));
  const directory = join(parent, "queue");
  mkdirSync(directory);
  const timers: { at: number; call: () => void }[] = [];
  const made: { -readonly [name in keyof Bench]?: Bench[name] } = {
    directory,
    events: [],
    now: Date.now(),
    tick(milliseconds) {
      made.now! += milliseconds;
      for (const timer of timers.splice(0)) timer.at <= made.now! ? timer.call() : timers.push(timer);
    },
  };
  made.store = await openFileStore({
    directory,
    shard: 0,
    settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
    limits: { spoolThreshold: 2000, faultPause: 100 },
    now: () => made.now!,
    report: (event) => void made.events!.push(event),
    after: (milliseconds, call) => {
      const timer = { at: made.now! + milliseconds, call };
      timers.push(timer);
      return () => void timers.splice(timers.indexOf(timer), 1);
    },
  });
  try {
    await work(made as Bench);
    await made.store.close();
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}

const states = (events: readonly QueueEvent[]) =>
  events.map(({ is }) => is).filter((is) => is === "fault" || is === "recovered");

async function refused(work: Promise<unknown>): Promise<string> {
  const error = await work.then(() => undefined, (error: unknown) => error);
  if (!(error instanceof QueueFault)) throw new Error(`not refused: ${error}`);
  return error.message;
}

const GONE: Readonly<Record<string, (directory: string) => void>> = {
  "the queue directory is removed": (directory) => rmSync(directory, { recursive: true }),
  "the queue directory is moved away": (directory) => renameSync(directory, `${directory}.old`),
  "the queue directory is replaced by a copy": (directory) => {
    renameSync(directory, `${directory}.old`);
    Bun.spawnSync(["cp", "-a", `${directory}.old`, directory]);
  },
  "the shard is removed": (directory) => rmSync(join(directory, "mta/shard-0"), { recursive: true }),
  "the log is moved away": (directory) =>
    renameSync(join(directory, "mta/shard-0/log"), join(directory, "log")),
  "a segment is removed": (directory) => {
    rmSync(join(directory, "mta/shard-0/log"), { recursive: true });
    mkdirSync(join(directory, "mta/shard-0/log"));
  },
};

for (const [what, make] of Object.entries(GONE)) {
  for (const size of [100, 5000]) {
    test(`when ${what}, no message of ${size} bytes is accepted any more, at once, and the reason is told once`, async () => {
      await bench(async ({ directory, store, events, tick }) => {
        await put(store, Buffer.alloc(size, 97));
        make(directory);
        const before = events.length;
        for (let tries = 0; tries < 5; tries++) {
          expect(await refused(put(store, Buffer.alloc(size, 97)))).toContain(directory);
          tick(30);
        }
        expect(states(events.slice(before))).toEqual(["fault"]);
        expect(store.trouble?.full).toBe(false);
        expect(await refused(store.probe())).toContain(directory);
        tick(2000);
        expect(store.refusal(0)?.message).toContain(directory);
        // What had been accepted before can still go out.
        expect((await store.counts()).incoming).toBe(1);
      });
    });
  }
}

test("a queue directory that is gone while nothing comes is noticed, and so is its return; mail is taken again", async () => {
  await bench(async ({ directory, store, events, tick }) => {
    const first = await put(store, Buffer.alloc(100, 97));
    renameSync(directory, `${directory}.old`);
    tick(6000);
    expect(states(events)).toEqual(["fault"]);
    await refused(put(store, Buffer.alloc(100, 98)));
    renameSync(`${directory}.old`, directory);
    tick(20_000);
    await store.probe();
    expect(states(events)).toEqual(["fault", "recovered"]);
    const second = await put(store, Buffer.alloc(100, 99));
    const reader = await openReadOnly(directory);
    expect(await idsIn(reader.list())).toEqual([first, second]);
    reader.close();
  });
});
