import { expect, test } from "bun:test";
import { FakeDisk } from "../../../test/kit/memory/fake_disk.ts";
import { put } from "../../../test/kit/memory/queue_shard.ts";
import { InputCount } from "../../platform/socket/input_count.ts";
import type { DiskFile } from "../../platform/file/disk.ts";
import { type Input, NO_INPUT } from "../log/gathering.ts";
import { openFileStore } from "./open_file_store.ts";

const NOW = 1_700_000_000_000;

/** A store on a disk whose calls are noted. */
async function open(input: Input = NO_INPUT) {
  const disk = new FakeDisk(() => 0.5);
  const calls: string[] = [];
  const noted = (file: DiskFile): DiskFile => ({
    ...file,
    write: (buffers, at) => {
      const zeros = buffers.every((buffer) => buffer.every((byte) => byte === 0));
      calls.push(zeros ? "zeros" : "write");
      file.write(buffers, at);
    },
    sync: () => (calls.push("sync"), file.sync()),
    syncNow: () => (calls.push("syncNow"), file.syncNow()),
  });
  const create = disk.create.bind(disk);
  disk.create = (path) => path.endsWith(".seg") ? noted(create(path)) : create(path);
  const timers: { readonly milliseconds: number; readonly call: () => void }[] = [];
  const store = await openFileStore({
    directory: "/q",
    shard: 0,
    disk,
    input,
    settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
    limits: { preallocate: 65_536, idleTime: 1e9 },
    now: () => NOW,
    report: () => {},
    after: (milliseconds, call) => {
      timers.push({ milliseconds, call });
      return () => {};
    },
  });
  const append = (size = 100) => put(store, Buffer.alloc(size, 97), NOW);
  /** The short timers go off, when all is quiet. */
  const tick = async () => {
    await new Promise((resolve) => setImmediate(resolve));
    for (const { call } of timers.splice(0).filter(({ milliseconds }) => milliseconds <= 100)) call();
  };
  return { store, disk, calls, append, tick };
}

test("a message alone is synced on the spot on a quick disk, right after it is written; its mark comes later", async () => {
  const { store, calls, append } = await open();
  for (let i = 0; i < 9; i++) await append();
  calls.length = 0;
  await append();
  expect(calls).toEqual(["write", "syncNow", "write"]);
  await store.close();
});

test("messages that come together, or while there is other input, are synced off the event loop", async () => {
  const input = new InputCount();
  const { store, calls, append } = await open(input);
  for (let i = 0; i < 9; i++) await append();
  calls.length = 0;
  await Promise.all([append(), append()]);
  expect(calls).toEqual(["write", "sync", "write"]);
  calls.length = 0;
  setImmediate(() => input.heard(-1));
  input.heard(-1);
  await append();
  expect(calls).toEqual(["write", "sync", "write"]);
  await store.close();
});

test("while little is written the room for what comes next is written ahead, once, and nothing that came is touched", async () => {
  const { store, calls, append, tick } = await open();
  const ids = [await append()];
  calls.length = 0;
  await tick();
  ids.push(await append());
  expect(calls.slice(0, 2)).toEqual(["zeros", "sync"]);
  calls.length = 0;
  await tick();
  ids.push(await append());
  expect(calls).not.toContain("zeros");
  for (let i = 0; i < 20; i++) ids.push(await append(4000));
  await tick();
  calls.length = 0;
  ids.push(await append());
  await tick();
  ids.push(await append());
  expect(calls).toContain("zeros");
  for (const id of ids) expect((await store.find(id))?.id).toBe(id);
  await store.close();
});

test.each(["preallocate", "write"])(
  "a disk that does not take what is written ahead (%s) costs no segment",
  async (name) => {
    const { store, disk, append, tick } = await open();
    const segments = () => disk.list("/q/mta/shard-0/log").filter((file) => file.endsWith(".seg"));
    for (let i = 0; i < 12; i++) {
      await append(5000);
      disk.onCall = (call) => call.name === name && call.path.endsWith(".seg") ? "ENOSPC" : undefined;
      await tick();
      await tick();
      disk.onCall = () => undefined;
    }
    expect(segments()).toHaveLength(1);
    await store.close();
  },
);
