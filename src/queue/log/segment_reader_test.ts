import { expect, test } from "bun:test";
import fc from "fast-check";
import type { DiskFile } from "../../platform/file/disk.ts";
import { encodeRecord } from "./record.ts";
import { type Gap, SegmentReader } from "./segment_reader.ts";

function fileOf(bytes: Buffer, unreadable: (at: number) => boolean = () => false): DiskFile {
  const refuse = () => {
    throw new Error("read only");
  };
  return {
    write: refuse,
    writeLater: refuse,
    sync: refuse,
    syncNow: refuse,
    preallocate: refuse,
    truncate: refuse,
    identity: () => "",
    close: () => {},
    size: () => bytes.length,
    read: async (into, at) => {
      for (let byte = at; byte < at + into.length; byte += 512) {
        if (unreadable(byte)) throw Object.assign(new Error("EIO"), { code: "EIO" });
      }
      return bytes.copy(into, 0, at, at + into.length);
    },
  };
}

async function walk(bytes: Buffer, unreadable?: (at: number) => boolean) {
  const keys: string[] = [];
  const damages: Gap[] = [];
  const end = await new SegmentReader(fileOf(bytes, unreadable), 42, bytes.length).walk({
    record: (window, at) => void keys.push(window.toString("latin1", at + 44, at + 44 + window[at + 11]!)),
    gap: (gap) => gap.empty ? undefined : void damages.push(gap),
  });
  return { keys, damages, end };
}

function rec(key: string, content = Buffer.alloc(0)): Buffer {
  return Buffer.concat([
    encodeRecord({ type: 1, key, meta: "meta", content }, { nonce: 42, batch: 1 }),
    content,
  ]);
}

test("records are found again behind any noise, and the noise is named to the byte", async () => {
  const part = fc.oneof(
    fc.record({ key: fc.stringMatching(/^[A-Z]{1,9}$/), content: fc.uint8Array({ maxLength: 300 }) }),
    fc.uint8Array({ minLength: 1, maxLength: 300 }).filter((noise) => noise.some((byte) => byte !== 0)),
  );
  await fc.assert(fc.asyncProperty(fc.array(part, { maxLength: 20 }), async (parts) => {
    const bytes = Buffer.concat(
      parts.map((one) => "key" in one ? rec(one.key, Buffer.from(one.content)) : one),
    );
    const { keys, damages } = await walk(bytes);
    expect(keys).toEqual(parts.flatMap((one) => "key" in one ? [one.key] : []));
    const noise = parts.reduce((sum, one) => sum + ("key" in one ? 0 : one.length), 0);
    expect(damages.reduce((sum, { length }) => sum + length, 0)).toBe(noise);
  }));
});

test("space that was reserved and never used is no damage", async () => {
  const one = rec("ONE");
  const { keys, damages, end } = await walk(Buffer.concat([one, Buffer.alloc(9_000_000)]));
  expect({ keys, damages, end }).toEqual({ keys: ["ONE"], damages: [], end: one.length });
});

test("a record that mail content brings along is content: it has not the segment's mark", async () => {
  const forged = Buffer.concat([encodeRecord({ type: 1, key: "EVIL", meta: "" }, { nonce: 41, batch: 1 })]);
  const outer = rec("OUTER", forged);
  outer[50]! ^= 1;
  expect((await walk(Buffer.concat([outer, rec("NEXT")]))).keys).toEqual(["NEXT"]);
});

test("records longer than the window and across its edge are read", async () => {
  const parts = [
    rec("A", Buffer.alloc(3_000_000, 1)),
    rec("B", Buffer.alloc(6_000_000, 2)),
    rec("C"),
    rec("D"),
  ];
  expect((await walk(Buffer.concat(parts))).keys).toEqual(["A", "B", "C", "D"]);
});

test("a sector that cannot be read costs the record in it and no other", async () => {
  const parts = [
    rec("A", Buffer.alloc(5000, 1)),
    rec("B", Buffer.alloc(5000, 2)),
    rec("C", Buffer.alloc(9000, 3)),
  ];
  const bad = parts[0]!.length + 100;
  const { keys, damages } = await walk(
    Buffer.concat(parts),
    (at) => Math.floor(at / 4096) === Math.floor(bad / 4096),
  );
  expect(keys).toEqual(["C"]);
  expect(damages.length).toBe(1);
});
