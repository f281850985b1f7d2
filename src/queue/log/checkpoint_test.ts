import { expect, test } from "bun:test";
import fc from "fast-check";
import { crc32 } from "../../platform/checksum.ts";
import { type Checkpoint, CheckpointDraft, type NewLogEntry, readCheckpoint } from "./checkpoint.ts";
import { type LogEntry, usesMeta } from "./log_entry.ts";
import { RECORD, RECORD_VERSION } from "./record.ts";

const CRC_AT = 52;
const word = fc.integer({ min: 0, max: 0xffff_ffff });

const record = fc.record({
  type: fc.constantFrom(RECORD.message, RECORD.state, RECORD.removed, RECORD.filler),
  flags: fc.integer({ min: 0, max: 255 }),
  length: fc.integer({ min: 44, max: 5000 }),
  head: fc.nat(4000),
  time: fc.double({ noNaN: true }),
  size: fc.nat(),
  id: fc.record({ a: word, b: word, c: word }),
  meta: fc.oneof(fc.string({ unit: "grapheme" }), fc.uint8Array({ maxLength: 50 })),
  sites: fc.array(word, { maxLength: 5 }),
  batch: fc.integer({ min: 1, max: 3 }),
});
type Given = typeof record extends fc.Arbitrary<infer T> ? T : never;
const records = fc.array(record, { maxLength: 40 });

/** A checkpoint of a segment with these records, one behind the other, and what it should say. */
function made(given: readonly Given[], bySite: boolean) {
  const draft = new CheckpointDraft(bySite);
  const entries: NewLogEntry[] = [];
  let [end, batch] = [100, 0];
  let lastBatch = { number: 0, offset: 0 };
  for (const each of given) {
    const entry = { ...each, offset: end, id: each.type === RECORD.removed ? undefined : each.id };
    batch = Math.max(batch, each.batch);
    if (batch !== lastBatch.number) lastBatch = { number: batch, offset: end };
    draft.record({ version: RECORD_VERSION, batch, offset: end });
    draft.add(entry);
    if (each.type !== RECORD.filler) entries.push(entry);
    end += each.length;
  }
  return { bytes: draft.finish({ number: 7, nonce: 0xfeed, end })!, entries, end, lastBatch };
}

function plain(entry: LogEntry) {
  return { ...entry, meta: entry.meta().toString("hex"), sites: [...entry.sites()] };
}

/** As an entry comes out: only metas that count, and sites of messages where they are asked for. */
function wanted(
  { type, flags, offset, length, head, time, size, id, ...rest }: NewLogEntry,
  bySite: boolean,
) {
  const meta = usesMeta({ type, flags }) ? Buffer.from(rest.meta).toString("hex") : "";
  const sites = bySite && type === RECORD.message ? [...rest.sites] : [];
  return { type, flags, offset, length, head, time, size, id, meta, sites };
}

test("a checkpoint says of every record what was put down, in the same order", () => {
  fc.assert(fc.property(records, fc.boolean(), (given, bySite) => {
    const { bytes, entries, end, lastBatch } = made(given, bySite);
    const checkpoint = readCheckpoint(bytes)!;
    expect(checkpoint).toMatchObject({ number: 7, nonce: 0xfeed, end, lastBatch, sites: bySite });
    expect(checkpoint.messages).toBe(entries.filter(({ type }) => type === RECORD.message).length);
    expect([...checkpoint.entries()].map(plain)).toEqual(entries.map((entry) => wanted(entry, bySite)));
  }));
});

test("a checkpoint that is cut, or with other bits anywhere, is none", () => {
  fc.assert(fc.property(records, fc.nat(), fc.integer({ min: 1, max: 255 }), (given, at, by) => {
    const { bytes } = made(given, true);
    expect(readCheckpoint(bytes.subarray(0, at % bytes.length))).toBeUndefined();
    expect(readCheckpoint(Buffer.concat([bytes, Buffer.alloc(1 + at % 9)]))).toBeUndefined();
    bytes[at % bytes.length]! ^= by;
    expect(readCheckpoint(bytes)).toBeUndefined();
  }));
});

function withChecksum(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(crc32(bytes.subarray(56), crc32(bytes.subarray(0, CRC_AT))), CRC_AT);
  return bytes;
}

function readAll(checkpoint: Checkpoint | undefined): void {
  for (const entry of checkpoint?.entries() ?? []) plain(entry);
}

test("whatever it says with a checksum that is right, it is read within its bounds or not at all", () => {
  const change = fc.record({ at: fc.nat(), value: fc.constantFrom(0, 1, 2, 3, 0x7f, 0x80, 0xff) });
  fc.assert(
    fc.property(records, fc.array(change, { minLength: 1, maxLength: 8 }), (given, changes) => {
      const { bytes } = made(given, true);
      for (const { at, value } of changes) bytes[at % bytes.length] = value;
      readAll(readCheckpoint(withChecksum(bytes)));
    }),
    { numRuns: 2000 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
    const { bytes } = made([], false);
    const whole = Buffer.concat([bytes, noise]);
    whole.writeDoubleLE(whole.length, 44);
    readAll(readCheckpoint(withChecksum(whole)));
  }));
});

test("one that a newer program wrote, or that tells of records of one, is none", () => {
  const { bytes } = made([], false);
  expect(readCheckpoint(bytes)).toBeDefined();
  bytes.writeUInt16LE(2, 4);
  expect(readCheckpoint(withChecksum(bytes))).toBeUndefined();
  const draft = new CheckpointDraft(false);
  draft.record({ version: RECORD_VERSION + 1, batch: 1, offset: 50 });
  expect(readCheckpoint(draft.finish({ number: 1, nonce: 1, end: 90 })!)).toBeUndefined();
});

test("what it cannot say leaves no checkpoint", () => {
  const draft = new CheckpointDraft(false);
  const entry = { type: RECORD.message, flags: 0, offset: 9, length: 9, head: 0, time: 0, size: 0 };
  draft.add({ ...entry, id: undefined, meta: "", sites: [] });
  expect(draft.finish({ number: 1, nonce: 1, end: 90 })).toBeUndefined();
});
