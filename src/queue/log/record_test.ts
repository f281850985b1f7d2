import { expect, test } from "bun:test";
import fc from "fast-check";
import { decodeHead, decodeRecord, encodeRecord, isIntact, RECORD_VERSION, recordLength } from "./record.ts";

const record = fc.record({
  type: fc.integer({ min: 1, max: 4 }),
  flags: fc.integer({ min: 0, max: 255 }),
  time: fc.double({ noNaN: true }),
  size: fc.nat(),
  key: fc.stringMatching(/^[0-9A-Za-z]{0,20}$/),
  meta: fc.string({ unit: "grapheme" }),
  content: fc.uint8Array({ maxLength: 200 }),
});
const place = fc.record({
  nonce: fc.integer({ min: 0, max: 0xffffffff }),
  batch: fc.integer({ min: 0, max: 0xffffffff }),
});

test("decodeRecord(encodeRecord(x)) is x", () => {
  fc.assert(fc.property(record, place, fc.nat(9), (given, at, lead) => {
    const bytes = Buffer.concat([Buffer.alloc(lead), encodeRecord(given, at), given.content]);
    expect(recordLength(bytes, lead)).toBe(bytes.length - lead);
    const got = decodeRecord(bytes, lead, at.nonce)!;
    expect(got.head).toMatchObject({
      version: RECORD_VERSION,
      type: given.type,
      flags: given.flags,
      time: given.time,
      size: given.size,
      key: given.key,
      batch: at.batch,
    });
    expect(got.meta.toString()).toBe(given.meta);
    expect(new Uint8Array(got.content)).toEqual(given.content);
  }));
});

test("a record is refused when any bit of it is turned, when it is cut, and in another segment", () => {
  fc.assert(fc.property(record, place, fc.nat(), fc.nat(7), (given, at, where, bit) => {
    const bytes = Buffer.concat([encodeRecord(given, at), given.content]);
    expect(decodeRecord(bytes, 0, at.nonce ^ 1)).toBeUndefined();
    expect(decodeRecord(bytes.subarray(0, where % bytes.length), 0, at.nonce)).toBeUndefined();
    bytes[where % bytes.length]! ^= 1 << bit;
    expect(decodeRecord(bytes, 0, at.nonce)).toBeUndefined();
  }));
});

test("the decoder takes any bytes without a throw", () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  fc.assert(fc.property(bytes, record, place, fc.nat(300), (noise, given, at, from) => {
    const mixed = Buffer.concat([encodeRecord(given, at).subarray(0, 44), noise]);
    for (const buffer of [Buffer.from(noise), mixed]) {
      expect(() => decodeRecord(buffer, from, at.nonce)).not.toThrow();
      expect(() => decodeHead(buffer, from, at.nonce)).not.toThrow();
    }
  }));
});

test("isIntact() covers the head, the key, the meta and the content, byte for byte", () => {
  const content = Buffer.from("body");
  const whole = Buffer.concat([
    encodeRecord({ type: 1, key: "ID", meta: "{}", content }, { nonce: 7, batch: 1 }),
    content,
  ]);
  expect(isIntact(whole, 0, whole.length)).toBe(true);
  for (let at = 0; at < whole.length; at++) {
    const bad = Buffer.from(whole);
    bad[at]! ^= 0xff;
    expect(isIntact(bad, 0, bad.length)).toBe(false);
  }
});
