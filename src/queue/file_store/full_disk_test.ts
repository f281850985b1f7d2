import { expect, test } from "bun:test";
import { FakeDisk } from "../../../test/kit/memory/fake_disk.ts";
import { put as putContent } from "../../../test/kit/memory/queue_shard.ts";
import type { QueueId } from "../envelope.ts";
import { openFileStore } from "./open_file_store.ts";
import type { QueueEvent } from "../log/file_store_options.ts";
import { QueueFault, type QueueStore } from "../store.ts";
import { moves } from "../../../test/kit/memory/moves.ts";

/** A store on a disk of its own, whose clock the test moves. */
class Bench {
  disk = new FakeDisk(() => 0.5);
  now = 1_700_000_000_000;
  events: QueueEvent[] = [];
  #timers: { at: number; call: () => void }[] = [];

  open(): Promise<QueueStore> {
    return openFileStore({
      directory: "/q",
      shard: 0,
      disk: this.disk,
      settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
      limits: { preallocate: 8192, segmentSize: 20_000, faultPause: 100, idleTime: 1e9 },
      now: () => this.now,
      report: (event) => void this.events.push(event),
      after: (milliseconds, call) => {
        const timer = { at: this.now + milliseconds, call };
        this.#timers.push(timer);
        return () => void (this.#timers = this.#timers.filter((other) => other !== timer));
      },
    });
  }

  tick(milliseconds: number): void {
    this.now += milliseconds;
    const due = this.#timers.filter(({ at }) => at <= this.now);
    this.#timers = this.#timers.filter(({ at }) => at > this.now);
    for (const { call } of due) call();
  }

  fail(names: readonly string[], code: string): void {
    this.disk.onCall = ({ name }) => names.includes(name) ? code : undefined;
  }

  heal(): void {
    this.disk.onCall = () => undefined;
  }

  kinds(): string[] {
    return this.events.map(({ is }) => is).filter((is) => is === "fault" || is === "recovered");
  }
}

function put(store: QueueStore, size: number, now: number): Promise<QueueId> {
  return putContent(store, Buffer.alloc(size, 97), now);
}

async function faultOf(work: Promise<unknown>): Promise<QueueFault> {
  const error = await work.then(() => undefined, (error: unknown) => error);
  if (error instanceof QueueFault) return error;
  throw new Error(`not a QueueFault: ${error}`);
}

test("on a full disk new mail is refused with 452 and deliveries are still recorded", async () => {
  const bench = new Bench();
  const store = await bench.open();
  const id = await put(store, 5000, bench.now);
  bench.fail(["preallocate", "create", "link"], "ENOSPC");
  expect((await faultOf(put(store, 5000, bench.now))).full).toBe(true);
  expect(store.refusal(1)?.full).toBe(true);
  expect(await store.takeDue(bench.now, 9)).toEqual([id]);
  store.remove(id);
  bench.tick(200);
  await store.flush();
  await store.close();
  expect(await (await bench.open()).counts()).toMatchObject({ incoming: 0, corrupt: 0 });
});

test("a store whose disk was full accepts again when there is space, and says both once", async () => {
  const bench = new Bench();
  const store = await bench.open();
  await put(store, 100, bench.now);
  bench.fail(["preallocate", "create", "write"], "ENOSPC");
  for (let tries = 0; tries < 5; tries++) {
    expect((await faultOf(put(store, 9000, bench.now))).full).toBe(true);
    bench.tick(30);
  }
  bench.heal();
  bench.tick(20_000);
  await put(store, 9000, bench.now);
  expect(bench.kinds()).toEqual(["fault", "recovered"]);
  expect((await store.counts()).incoming).toBe(2);
});

test("space that dead segments hold is given back although nothing can be written", async () => {
  const bench = new Bench();
  const store = await bench.open();
  const ids = [];
  for (let at = 0; at < 8; at++) ids.push(await put(store, 6000, bench.now));
  const segments = () => bench.disk.list("/q/mta/shard-0/log").length;
  expect(segments()).toBeGreaterThan(1);
  bench.fail(["preallocate", "create", "write"], "ENOSPC");
  const deleted = faultOf(moves(store, "delete", ids).then(() => {}));
  bench.tick(100);
  await faultOf(store.flush());
  // What is not durable is not told as done.
  expect(await deleted).toBeDefined();
  bench.tick(20_000);
  await faultOf(store.flush());
  expect(segments()).toBeLessThan(2);
});

test("a segment stays as long as what was refused may come back: copies of its messages could be among that", async () => {
  const bench = new Bench();
  const store = await bench.open();
  const ids = [];
  for (let at = 0; at < 9; at++) ids.push(await put(store, 6000, bench.now));
  const segments = () => bench.disk.list("/q/mta/shard-0/log").filter((name) => name.endsWith(".seg")).length;
  bench.fail(["sync", "truncate", "create"], "EIO");
  await faultOf(put(store, 100, bench.now));
  const deleted = faultOf(moves(store, "delete", ids).then(() => {}));
  const before = segments();
  expect(before).toBeGreaterThan(1);
  for (let again = 0; again < 3; again++) {
    bench.tick(20_000);
    await faultOf(store.flush());
  }
  await deleted;
  expect(segments()).toBe(before);
  bench.fail(["create"], "EIO");
  bench.tick(20_000);
  await faultOf(store.flush());
  expect(segments()).toBeLessThan(2);
});

for (const [code, full] of [["EIO", false], ["EROFS", false], ["EDQUOT", true]] as const) {
  for (const name of ["write", "sync", "create", "syncDirectory"]) {
    test(`${code} of ${name} refuses a message (${full ? 452 : 451}) in memory or in a file, and nothing of it remains`, async () => {
      for (const size of [100, 400_000]) {
        const bench = new Bench();
        let store = await bench.open();
        bench.fail([name], code);
        expect((await faultOf(put(store, size, bench.now))).full).toBe(full);
        bench.heal();
        bench.tick(20_000);
        const id = await put(store, size, bench.now);
        await store.close();
        store = await bench.open();
        expect(await store.counts()).toMatchObject({ incoming: 1, corrupt: 0, bytes: size });
        expect(await store.takeDue(bench.now, 9)).toEqual([id]);
        expect(bench.disk.list("/q/mta/shard-0/spool")).toEqual(size > 1000 ? [id] : []);
      }
    });
  }
}

for (const tail of [true, false]) {
  test(`a full disk does not keep the queue from being opened, though ${tail ? "a torn write" : "damage"} could not be copied`, async () => {
    const bench = new Bench();
    const store = await bench.open();
    const ids = [
      await put(store, 100, bench.now),
      await put(store, 400_000, bench.now),
      await put(store, 100, bench.now),
    ];
    await store.close();
    const [name] = bench.disk.list("/q/mta/shard-0/log");
    const path = `/q/mta/shard-0/log/${name}`;
    const file = bench.disk.open(path);
    const bytes = Buffer.alloc(file.size());
    await file.read(bytes, 0);
    const mark = bytes.subarray(0, 8);
    if (tail) file.write([mark, Buffer.alloc(60, 7)], bytes.length);
    else file.write([Buffer.from("rot")], bytes.indexOf(ids[0]!) + 20);
    bench.disk.unlink(`/q/mta/shard-0/spool/${ids[1]}`);
    bench.fail(["preallocate", "create", "write", "rename"], "ENOSPC");
    const again = await bench.open();
    expect(bench.events.map(({ is }) => is)).toContain(tail ? "torn" : "corrupt");
    const sound = tail ? [ids[0]!, ids[2]!] : [ids[2]!];
    const taken = await again.takeDue(bench.now, 9);
    for (const id of sound) expect((await again.open(id)).content.size).toBe(100);
    // The one whose content is gone stays until it can be set aside.
    expect(taken.filter((id) => !sound.includes(id))).toEqual([ids[1]!]);
  });
}
