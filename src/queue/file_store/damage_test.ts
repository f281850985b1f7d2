import { expect, test } from "bun:test";
import fc from "fast-check";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeDisk } from "../../../test/kit/memory/fake_disk.ts";
import { HEAD, idsIn, openShard, put as putContent } from "../../../test/kit/memory/queue_shard.ts";
import type { QueueId } from "../envelope.ts";
import { openFileStore } from "./open_file_store.ts";
import { openReadOnly } from "./read_only.ts";
import type { QueueStore } from "../store.ts";

function open(directory: string): Promise<QueueStore> {
  return openFileStore({
    directory,
    shard: 0,
    settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
    report: () => {},
  });
}

function put(store: QueueStore, text: string): Promise<QueueId> {
  return putContent(store, Buffer.from(text), Date.now());
}

function textOf(id: string, at: number): string {
  return `${id}/${String(at).repeat(150)}`;
}

/** Where each message's record begins and ends in the one segment there is. */
function recordsOf(bytes: Buffer, ids: readonly QueueId[]): { id: QueueId; from: number; to: number }[] {
  const starts = ids.map((id) => bytes.indexOf(id) - 44);
  return ids.map((id, at) => ({ id, from: starts[at]!, to: starts[at + 1] ?? bytes.length }));
}

test(
  "whatever bytes of the log rot, only the records they are in are lost, and the others are whole",
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "mta-damage-"));
    try {
      const store = await open(directory);
      const ids: QueueId[] = [];
      for (let at = 0; at < 12; at++) ids.push(await put(store, textOf("message", at)));
      await store.close();
      const log = join(directory, "mta/shard-0/log");
      const name = readdirSync(log).find((each) => each.endsWith(".seg"));
      const sound = readFileSync(join(log, name!));
      cpSync(join(directory, "mta"), join(directory, "sound"), { recursive: true });
      const records = recordsOf(sound, ids);
      const flips = fc.array(
        fc.record({ at: fc.nat(sound.length - 1), by: fc.integer({ min: 1, max: 255 }) }),
        {
          minLength: 1,
          maxLength: 6,
        },
      );
      await fc.assert(
        fc.asyncProperty(flips, fc.boolean(), async (given, cut) => {
          rmSync(join(directory, "mta"), { recursive: true });
          cpSync(join(directory, "sound"), join(directory, "mta"), { recursive: true });
          const bytes = Buffer.from(sound);
          for (const { at, by } of given) bytes[at]! ^= by;
          const end = cut ? given[0]!.at : bytes.length;
          writeFileSync(join(log, name!), bytes.subarray(0, end));
          const changed = (at: number) => bytes[at] !== sound[at];
          const whole = records.filter(({ from, to }) =>
            to <= end && !given.some(({ at }) => at >= from && at < to && changed(at))
          ).map(({ id }) => id);
          const reader = await openReadOnly(directory);
          expect(await idsIn(reader.list())).toEqual(whole);
          reader.close();
          const again = await open(directory);
          expect(await idsIn(again.list())).toEqual(whole);
          for (const id of whole) {
            const { content } = await again.open(id);
            expect(content.bytes?.toString()).toBe(textOf("message", ids.indexOf(id)));
          }
          await again.close();
          const third = await open(directory);
          expect(await idsIn(third.list())).toEqual(whole);
          await third.close();
        }),
        { numRuns: 60 },
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
  60_000,
);

test("the queue can be read while the service is down and while it runs, and nothing is changed by it", async () => {
  const directory = mkdtempSync(join(tmpdir(), "mta-damage-"));
  try {
    const store = await open(directory);
    const ids = [await put(store, "one"), await put(store, "x".repeat(300_000))];
    await store.takeDue(Date.now(), 1);
    await store.open(ids[0]!);
    const why = { status: "4.0.0", text: "later", action: "delayed" } as const;
    store.defer(ids[0]!, Date.now() + 1e6, [{ index: 0, state: { is: "pending", why } }]);
    await store.flush();
    const read = async () => {
      const reader = await openReadOnly(directory);
      const rows = [];
      for await (const row of reader.list()) rows.push([row.id, row.queue, row.size, row.recipients[0]?.why]);
      const stored = await reader.open(ids[1]!);
      let size = 0;
      for await (const chunk of stored.content.chunks()) size += chunk.length;
      await expect(reader.open("000000000000" as QueueId)).rejects.toThrow("it is not in the queue");
      reader.close();
      return { rows, size };
    };
    const wanted = {
      rows: [[ids[1]!, "incoming", 300_000, undefined], [ids[0]!, "deferred", 3, "later"]],
      size: 300_000,
    };
    expect(await read()).toEqual(wanted);
    await store.close();
    expect(await read()).toEqual(wanted);
    expect((await openReadOnly(join(directory, "none"))).exists).toBe(false);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

/** A message of 300,000 bytes whose record has rotted; `content` tells how much of its body is kept. The head is in the record. */
async function rotten(rot: (record: Buffer) => void, sendMore: boolean) {
  const directory = mkdtempSync(join(tmpdir(), "mta-damage-"));
  const store = await open(directory);
  const id = await put(store, "x".repeat(300_000));
  if (sendMore) await put(store, "another");
  await store.close();
  const log = join(directory, "mta/shard-0/log");
  const path = join(log, readdirSync(log).find((each) => each.endsWith(".seg"))!);
  const bytes = readFileSync(path);
  rot(bytes.subarray(bytes.indexOf(id) - 44));
  writeFileSync(path, bytes);
  const content = () => {
    const corrupt = join(directory, "mta/corrupt");
    const name = readdirSync(corrupt).find((each) => each === `shard-0.content.${id}`);
    return name === undefined ? undefined : readFileSync(join(corrupt, name)).length;
  };
  return { directory, id, content, end: () => rmSync(directory, { recursive: true }) };
}

test("the body of a message whose record has rotted is kept, though it is in a file of its own", async () => {
  const { directory, content, end } = await rotten((record) => void (record[60]! ^= 1), true);
  const store = await open(directory);
  expect(await store.counts()).toMatchObject({ incoming: 1, corrupt: 1 });
  expect(content()).toBe(300_000 - HEAD);
  await store.close();
  expect(await (await open(directory)).counts()).toMatchObject({ incoming: 1, corrupt: 1 });
  end();
});

test("the same holds when the record rots under a running server", async () => {
  const { directory, id, content, end } = await rotten(() => {}, false);
  const store = await open(directory);
  const log = join(directory, "mta/shard-0/log");
  const path = join(log, readdirSync(log).find((each) => each.endsWith(".seg"))!);
  const bytes = readFileSync(path);
  bytes[bytes.indexOf(id) + 20]! ^= 1;
  writeFileSync(path, bytes);
  expect(await store.takeDue(Date.now(), 1)).toEqual([id]);
  await expect(store.open(id)).rejects.toThrow("damaged and was set aside");
  await store.flush();
  expect(content()).toBe(300_000 - HEAD);
  expect(await store.counts()).toMatchObject({ active: 0, corrupt: 1 });
  await store.close();
  end();
});

test("what was never finished is kept as it was found, before it is cut off", async () => {
  const disk = new FakeDisk(() => 0.5);
  const store = await openShard(disk, 0, 100_000);
  await putContent(store, Buffer.from("x"), Date.now());
  await store.close();
  const [name] = disk.list("/q/mta/shard-0/log");
  const path = `/q/mta/shard-0/log/${name}`;
  const end = disk.bytesOf(path).length;
  // The beginning of another record, as a power failure may leave it.
  const rest = Buffer.concat([disk.bytesOf(path).subarray(0, 8), Buffer.from("was on its way")]);
  disk.damage(path, (bytes) => Buffer.concat([bytes, rest]));
  await (await openShard(disk, 0, 100_000)).close();
  expect(disk.bytesOf(path).length).toBe(end);
  expect(disk.bytesOf("/q/mta/corrupt/shard-0.torn").toString("latin1")).toBe(rest.toString("latin1"));
});
