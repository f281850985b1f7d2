import { afterAll, beforeAll, expect, test } from "bun:test";
import fs from "node:fs";
import os from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { crc32 } from "../../platform/checksum.ts";
import { until } from "../../../test/kit/waiting.ts";
import { dropFolder, isDropName, UNFINISHED_MODE } from "./drop_folder.ts";
import { DropDefect, DropReader, type DropSource, type DropSummary } from "./drop_reader.ts";
import {
  type DropEnvelope,
  type DropRecipient,
  MAGIC,
  printHead,
  printRecord,
  SMALL_PIECES,
} from "./drop_records.ts";
import { writeDrop } from "./drop_writer.ts";

let queue: string;
beforeAll(() => {
  queue = fs.mkdtempSync(join(os.tmpdir(), "mta-drop-"));
  fs.mkdirSync(dropFolder(queue));
});
afterAll(() => fs.rmSync(queue, { recursive: true }));

function memory(bytes: Uint8Array): DropSource {
  return {
    size: bytes.length,
    read: (into, at) => {
      const piece = bytes.subarray(at, at + into.length);
      into.set(piece);
      return Promise.resolve(piece.length);
    },
  };
}

interface Read {
  readonly summary: DropSummary | DropDefect;
  readonly content: Buffer;
  readonly defect: DropDefect | undefined;
}

async function read(source: DropSource): Promise<Read> {
  const reader = new DropReader(source);
  const summary = await reader.summary();
  if (summary instanceof DropDefect) return { summary, content: Buffer.alloc(0), defect: summary };
  const pieces: Buffer[] = [];
  const content = reader.content(summary);
  for (;;) {
    const next = await content.next();
    if (next.done) return { summary, content: Buffer.concat(pieces), defect: next.value };
    pieces.push(next.value);
  }
}

/** The one file in the folder, and what is in it. */
function takeDrop(): { readonly name: string; readonly mode: number; readonly bytes: Buffer } {
  const folder = dropFolder(queue);
  const [name, ...more] = fs.readdirSync(folder);
  expect(more).toEqual([]);
  const path = join(folder, name!);
  const taken = { name: name!, mode: fs.statSync(path).mode & 0o7777, bytes: fs.readFileSync(path) };
  fs.unlinkSync(path);
  return taken;
}

const LINE = {
  unit: fc.string({ minLength: 1, maxLength: 1, unit: "binary" }).filter((each) => !/[\0\r\n]/.test(each)),
};

const envelopes: fc.Arbitrary<DropEnvelope> = fc.record({
  time: fc.nat(),
  sender: fc.string(LINE),
  fullName: fc.string({ ...LINE, maxLength: 200 }),
  ret: fc.constantFrom("FULL", "HDRS"),
  envid: fc.string(LINE),
  body: fc.constantFrom("7BIT", "8BITMIME"),
  relayed: fc.boolean(),
  verp: fc.constantFrom("+=", ""),
  verifyOnly: fc.boolean(),
}, { requiredKeys: ["time"] });

const recipientsOf: fc.Arbitrary<DropRecipient[]> = fc.array(fc.record({
  address: fc.string(LINE),
  notify: fc.integer({ min: 0, max: 15 }),
  orcpt: fc.string(LINE),
}, { requiredKeys: ["address"] }));

const contents = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.integer({ min: 0, max: 200_000 }).map((length) => Buffer.alloc(length, "a line\n")),
  ),
  { maxLength: 5 },
);

test("a drop is read as it was written, wherever its recipients stand", async () => {
  await fc.assert(
    fc.asyncProperty(
      envelopes,
      recipientsOf,
      contents,
      fc.boolean(),
      async (envelope, recipients, pieces, late) => {
        const drop = writeDrop(queue, envelope);
        if (!late) { for (const each of recipients) drop.recipient(each); }
        for (const piece of pieces) drop.content(piece);
        if (late) { for (const each of recipients) drop.recipient(each); }
        drop.finish();
        const { name, mode, bytes } = takeDrop();
        expect(isDropName(name)).toBe(true);
        expect(mode).toBe(0o740);
        const { summary, content, defect } = await read(memory(bytes));
        expect(defect).toBeUndefined();
        expect(summary).toMatchObject({ envelope, recipients });
        expect(content.equals(Buffer.concat(pieces))).toBe(true);
      },
    ),
    { numRuns: 40 },
  );
});

test("a drop that is not finished may be executed by nobody, and is gone when it is discarded", () => {
  const drop = writeDrop(queue, { time: 1 });
  drop.content(Buffer.alloc(100_000));
  const [name] = fs.readdirSync(dropFolder(queue));
  expect(fs.statSync(join(dropFolder(queue), name!)).mode & 0o777).toBe(0o600);
  drop.discard();
  expect(fs.readdirSync(dropFolder(queue))).toEqual([]);
});

const END = printRecord("end", { recipients: 1, size: 3, crc: 0x352441c2 }); // of "abc"
const PARTS = [
  MAGIC,
  printRecord("envelope", { time: 1 }),
  printRecord("recipient", { address: "ann" }),
  printHead("content", 3),
  Buffer.from("abc"),
];
const GOOD = Buffer.concat([...PARTS, END]);

test("the small drop of these tests is a good one", async () => {
  expect((await read(memory(GOOD))).defect).toBeUndefined();
});

test.each([
  ["nothing", Buffer.alloc(0), "does not begin"],
  [
    "a later version",
    Buffer.from(GOOD.toString("latin1").replace("drop 1", "drop 2"), "latin1"),
    "does not begin",
  ],
  ["no envelope", Buffer.concat([MAGIC, printRecord("recipient", { address: "a" }), END]), "no envelope"],
  [
    "two envelopes",
    Buffer.concat([...PARTS, printRecord("envelope", { time: 1 }), END]),
    "a second envelope",
  ],
  ["no end", Buffer.concat(PARTS), "before its end record"],
  ["more behind the end", Buffer.concat([GOOD, Buffer.from([0])]), "behind its end record"],
  ["two ends", Buffer.concat([GOOD, END]), "behind its end record"],
  ["fewer recipients than the end says", Buffer.concat([...PARTS.toSpliced(2, 1), END]), "does not fit"],
  [
    "an unknown kind",
    Buffer.concat([...PARTS, Buffer.from([113, 0, 0, 0, 1, 0]), END]),
    "a record of kind 113",
  ],
  ["a hole", Buffer.concat([...PARTS, Buffer.alloc(100_000)]), "a record of kind 0"],
  ["an endless record", Buffer.concat([...PARTS, printHead("content", 0xffff_ffff)]), "of 4294967295 bytes"],
  ["an empty record", Buffer.concat([...PARTS, printHead("content", 0), END]), "of 0 bytes"],
  [
    "a recipient that is none",
    Buffer.concat([...PARTS, printRecord("recipient", { address: 1 }), END]),
    "address",
  ],
  [
    "two lines for a sender",
    Buffer.concat([MAGIC, printRecord("envelope", { time: 1, sender: "a\nb" }), END]),
    "sender",
  ],
  ["an envelope that is no JSON", Buffer.concat([MAGIC, printHead("envelope", 1), Buffer.from("x")]), "JSON"],
  ["other content", Buffer.concat([...PARTS.with(4, Buffer.from("abd")), END]), "content does not fit"],
])("no drop: %s", async (_what, bytes, why) => {
  const { defect } = await read(memory(bytes));
  expect(defect?.why).toContain(why);
});

test("a drop that was cut off or has one bit of its records flipped is never taken for another message", async () => {
  for (let length = 0; length < GOOD.length; length++) {
    expect((await read(memory(GOOD.subarray(0, length)))).defect).toBeInstanceOf(DropDefect);
  }
  const contentAt = GOOD.length - END.length - 3;
  for (let bit = 0; bit < 24; bit++) {
    const bytes = Buffer.from(GOOD);
    bytes[contentAt + (bit >> 3)]! ^= 1 << (bit & 7);
    expect((await read(memory(bytes))).defect).toBeInstanceOf(DropDefect);
  }
});

test("whatever bytes a file has, and whatever its owner does to it meanwhile, reading it ends", async () => {
  const edits = fc.array(
    fc.record({ at: fc.nat(GOOD.length + 10), bytes: fc.uint8Array({ maxLength: 8 }) }),
    {
      maxLength: 4,
    },
  );
  await fc.assert(fc.asyncProperty(edits, edits, async (before, meanwhile) => {
    const bytes = Buffer.concat([GOOD, Buffer.alloc(18)]);
    for (const edit of before) bytes.set(edit.bytes, edit.at);
    let reads = 0;
    const source = memory(bytes);
    const { summary, content, defect } = await read({
      size: bytes.length,
      read: (into, at) => {
        if (++reads > 100) throw new Error("endless");
        if (reads === 2) { for (const edit of meanwhile) bytes.set(edit.bytes, edit.at); }
        return source.read(into, at);
      },
    });
    if (defect === undefined) expect(content.length).toBe((summary as DropSummary).end.size);
  }));
});

test("a drop that was taken away while it was written is not finished", () => {
  const folder = dropFolder(queue);
  const writer = writeDrop(queue, { time: 1 });
  writer.content(Buffer.from("text"));
  const [name] = fs.readdirSync(folder);
  fs.renameSync(join(folder, name!), join(queue, "elsewhere"));
  expect(() => writer.finish()).toThrow("ESTALE");
  expect(fs.readdirSync(folder)).toEqual([]);
  expect(fs.statSync(join(queue, "elsewhere")).mode & 0o7777).toBe(UNFINISHED_MODE);
});

test("who is still writing can say so", async () => {
  const writer = writeDrop(queue, { time: 1 });
  const [name] = fs.readdirSync(dropFolder(queue));
  const changed = () => fs.statSync(join(dropFolder(queue), name!)).ctimeMs;
  const before = changed();
  await until("a later time", () => (writer.keep(), changed() > before));
  writer.discard();
  writer.keep();
});

test("content that was written in small pieces is not kept in them, and no drop is taken that is", async () => {
  const writer = writeDrop(queue, { time: 1 });
  writer.recipient({ address: "carl" });
  const [line, count] = [Buffer.from("a line of text\n"), 30_000];
  for (let k = 0; k < count; k++) writer.content(line);
  writer.finish();
  const { bytes } = takeDrop();
  expect(bytes.length).toBeLessThan(line.length * count + 400);
  expect((await read(memory(bytes))).content.toString()).toBe(line.toString().repeat(count));

  const drop = (pieces: number) =>
    Buffer.concat([
      MAGIC,
      printRecord("envelope", { time: 1 }),
      Buffer.alloc(6 * pieces, Buffer.concat([printHead("content", 1), Buffer.from("a")])),
      printRecord("end", { recipients: 0, size: pieces, crc: crc32(Buffer.alloc(pieces, "a")) }),
    ]);
  expect((await read(memory(drop(SMALL_PIECES)))).defect).toBeUndefined();
  expect((await read(memory(drop(SMALL_PIECES + 100)))).defect?.why).toBe(
    "its content is in too many pieces",
  );
});

test("what no reader would take is not written", () => {
  expect(() => writeDrop(queue, { time: 1, fullName: "one\ntwo" })).toThrow("envelope: fullName: one line");
  const drop = writeDrop(queue, { time: 1 });
  expect(() => drop.recipient({ address: "x".repeat(5000) })).toThrow(
    "recipient: address: text of at most 4096",
  );
  drop.discard();
  expect(fs.readdirSync(dropFolder(queue))).toEqual([]);
});
