import { expect, test } from "bun:test";
import fc from "fast-check";
import { FakeDisk } from "../../../test/kit/memory/fake_disk.ts";
import { internalAddress } from "../../address/address.ts";
import type { QueueId } from "../envelope.ts";
import type { Content, QueueStore } from "../store.ts";
import { BLOCK, BodyBlocks } from "./body_blocks.ts";
import { openFileStore } from "./open_file_store.ts";
import { KeptBody } from "./kept_body.ts";

const NOW = 1_700_000_000_000;
const HEAD = Buffer.from("Subject: x\r\n\r\n");

/** Bytes that tell where they stand. */
function bytesOf(size: number, seed = 0): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 4) bytes.writeUInt32LE((at ^ seed) >>> 0, at);
  return bytes;
}

test("whatever the pieces, what is written and what is lent are the bytes that were added, in pieces of at most 64 KiB", () => {
  const piece = fc.tuple(fc.integer({ min: 0, max: 3 * BLOCK }), fc.constantFrom("no", "much", "all"));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const body = new KeptBody(new BodyBlocks(64 * BLOCK));
      const [added, written]: [Buffer[], Buffer[]] = [[], []];
      for (const [size, which] of pieces) {
        const bytes = bytesOf(size, added.length);
        const taken = body.add(bytes);
        added.push(bytes.subarray(0, taken));
        if (which !== "no") written.push(...body.takeUnwritten(which as "much" | "all"));
      }
      written.push(...body.takeUnwritten("all"));
      const whole = Buffer.concat(added);
      expect(Buffer.concat(written).equals(whole)).toBe(true);
      const lent = body.lend(HEAD)!;
      expect(Buffer.concat(lent.pieces).equals(Buffer.concat([HEAD, whole]))).toBe(true);
      expect(lent.pieces.every(({ length }) => length <= 65_536)).toBe(true);
    }),
    { numRuns: 50 },
  );
});

test("blocks are used again when they are neither wanted nor on loan, and never when somebody may look at them yet", () => {
  const pool = new BodyBlocks(BLOCK);
  const filled = (value: number) => {
    const body = new KeptBody(pool);
    return { body, taken: body.add(Buffer.alloc(10, value)) };
  };
  const first = filled(1);
  const [one, two] = [first.body.lend(HEAD)!, first.body.lend(HEAD)!];
  first.body.drop();
  expect(first.body.lend(HEAD)).toBeUndefined();
  one.giveBack(true);
  expect(filled(2).taken).toBe(0);
  two.giveBack(true);
  const second = filled(3);
  expect(second.taken).toBe(10);
  expect(Buffer.from(one.pieces[1]!)).toEqual(Buffer.alloc(10, 3));
  const lent = second.body.lend(HEAD)!;
  lent.giveBack(false);
  second.body.drop();
  expect(filled(4).taken).toBe(10);
  expect(Buffer.from(lent.pieces[1]!)).toEqual(Buffer.alloc(10, 3));
});

test("there are never more blocks than the limit allows, and a message never has all of them", () => {
  const pool = new BodyBlocks(3 * BLOCK + 1);
  const [one, two] = [new KeptBody(pool), new KeptBody(pool)];
  expect(one.add(Buffer.alloc(2 * BLOCK))).toBe(2 * BLOCK);
  expect(two.add(Buffer.alloc(2 * BLOCK))).toBe(BLOCK);
  one.drop();
  expect(two.add(Buffer.alloc(2 * BLOCK))).toBe(2 * BLOCK);
  expect(new KeptBody(new BodyBlocks(100 * BLOCK)).add(Buffer.alloc(100 * BLOCK))).toBe(32 * BLOCK);
});

async function open(disk: FakeDisk, bodyBytes: number): Promise<QueueStore> {
  return await openFileStore({
    directory: "/q",
    shard: 0,
    disk,
    settings: { queue_minfree: 0, message_size_limit: 0, enable_long_queue_ids: false },
    limits: { spoolThreshold: 1000, bodyBytes },
    now: () => NOW,
    report: () => {},
    after: () => () => {},
  });
}

async function put(store: QueueStore, body: Buffer, restarted?: Buffer): Promise<QueueId> {
  const id = store.newId();
  const draft = store.draft(id);
  if (restarted !== undefined) {
    for (let at = 0; at < restarted.length; at += 50_000) {
      await draft.write(restarted.subarray(at, at + 50_000));
    }
    await draft.restart();
  }
  const came = Buffer.alloc(70_000);
  for (let at = 0; at < body.length; at += came.length) {
    const piece = came.subarray(0, body.copy(came, 0, at));
    await draft.write(piece);
    piece.fill(0); // it is the caller's again
  }
  const read: Buffer[] = [];
  for await (const piece of draft.read()) read.push(Buffer.from(piece));
  expect(Buffer.concat(read).equals(body)).toBe(true);
  const address = internalAddress("a@example.com");
  const recipients = [{ address, original: address, notify: 0 }];
  await draft.commit({ id, arrival: NOW, sender: address, recipients, origin: {} }, HEAD);
  expect(await store.takeDue(NOW, 1)).toEqual([id]);
  return id;
}

async function inFile(content: Content): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of content.chunks()) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

test("memory and file of a message say the same; what has no room is in the file only", async () => {
  const store = await open(new FakeDisk(() => 0.5), 4 * BLOCK);
  const [small, large] = [bytesOf(3 * BLOCK + 5, 1), bytesOf(5 * BLOCK, 2)];
  for (const [body, restarted] of [[small, undefined], [large, undefined], [small, large], [large, small]]) {
    const id = await put(store, body!, restarted);
    const { content } = await store.open(id);
    const whole = Buffer.concat([HEAD, body!]);
    expect((await inFile(content)).equals(whole)).toBe(true);
    const lent = content.lend!();
    expect(lent !== undefined).toBe(body === small);
    if (lent !== undefined) expect(Buffer.concat(lent.pieces).equals(whole)).toBe(true);
    lent?.giveBack(true);
    store.remove(id);
    expect(content.lend!()).toBeUndefined();
  }
  await store.close();
});

test("a message that is deferred is read from its file, and gives up its memory", async () => {
  const store = await open(new FakeDisk(() => 0.5), 2 * BLOCK);
  const body = bytesOf(BLOCK + 5);
  const id = await put(store, body);
  store.defer(id, NOW + 1000, []);
  const other = await put(store, body);
  expect((await store.open(id)).content.lend!()).toBeUndefined();
  expect((await store.open(other)).content.lend!()).toBeDefined();
  await store.close();
});

test("a write that fails while nobody waits for it is heard of, and its message is not stored", async () => {
  const disk = new FakeDisk(() => 0.5);
  const store = await open(disk, 100 * BLOCK);
  const draft = store.draft(store.newId());
  disk.onCall = ({ name, path }) => name === "write" && path.includes("/spool/") ? "ENOSPC" : undefined;
  const fill = async () => {
    for (let i = 0; i < 8; i++) await draft.write(Buffer.alloc(BLOCK));
  };
  await expect(fill()).rejects.toThrow("No space left on device");
  draft.abort();
  disk.onCall = () => undefined;
  expect((await store.counts()).bytes).toBe(0);
  await store.close();
});
