import { expect, test } from "bun:test";
import fc from "fast-check";
import { processorTimeOf } from "../../../test/kit/waiting.ts";
import { GatheredBytes } from "../../base/gathered_bytes.ts";
import { type ClientHello, ClientHelloReader, LONGEST_HELLO, readClientHello } from "./client_hello.ts";

const u16 = (value: number) => [value >> 8, value & 255];
const field = (bytes: readonly number[]) => [...u16(bytes.length), ...bytes];
const extension = (type: number, bytes: readonly number[]) => [...u16(type), ...field(bytes)];
const list = (numbers: readonly number[]) => field(numbers.flatMap(u16));

/** The handshake message that says it. */
function message({ serverName, groups, signatures }: ClientHello): number[] {
  const name = serverName === undefined
    ? []
    : extension(0, field([0, ...field([...Buffer.from(serverName, "latin1")])]));
  const extensions = [
    ...extension(43, [2, 3, 4]),
    ...name,
    ...extension(10, list(groups)),
    ...extension(13, list(signatures)),
  ];
  const body = [3, 3, ...Array(32).fill(7), 0, ...list([0x1301, 0xc02f]), 1, 0, ...field(extensions)];
  return [1, 0, ...u16(body.length), ...body];
}

/** The message in records of so many bytes. */
function records(bytes: readonly number[], size: number): Buffer {
  const out: number[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    out.push(22, 3, 1, ...field(bytes.slice(at, at + size)));
  }
  return Buffer.from(out);
}

const hellos = fc.record({
  serverName: fc.option(fc.stringMatching(/^[a-z0-9.-]{1,40}$/), { nil: undefined }),
  groups: fc.array(fc.nat(0xffff), { maxLength: 9 }),
  signatures: fc.array(fc.nat(0xffff), { maxLength: 9 }),
});

test("readClientHello() reads what a client says, in records of any size, and waits for all of it", () => {
  fc.assert(fc.property(hellos, fc.integer({ min: 1, max: 300 }), fc.nat(), (hello, size, cut) => {
    const whole = records(message(hello), size);
    expect(readClientHello(whole)).toEqual(hello);
    expect(readClientHello(Buffer.concat([whole, Buffer.from("what comes behind")]))).toEqual(hello);
    expect(readClientHello(whole.subarray(0, cut % whole.length))).toBe("incomplete");
  }));
});

test("readClientHello() waits for nothing that cannot become one", () => {
  const handshake = (...bytes: number[]) => records(bytes, 1000);
  const cut = message({ serverName: "x", groups: [1], signatures: [2] }).slice(0, -3);
  for (
    const bytes of [
      Buffer.from("E"),
      Buffer.from("EHLO client.example.org\r\n"),
      Buffer.from([128, 46, 1, 3, 1]),
      Buffer.from([22, 2, 0, 0, 9]),
      Buffer.from([22, 3, 1, 0, 0]),
      handshake(2, 0, 0, 0),
      handshake(1, 0xff, 0, 0),
      handshake(1, 0, 0, 5, 1, 2, 3, 4, 5),
      handshake(1, ...[0, 0, cut.length - 4], ...cut.slice(4)),
    ]
  ) expect(readClientHello(bytes)).toBe("other");
});

test("readClientHello() gathers no more than any client needs", () => {
  const bytes = records([1, 0, 0x4f, 0, ...Array(LONGEST_HELLO).fill(0)], 1);
  expect(readClientHello(bytes.subarray(0, LONGEST_HELLO - 1))).toBe("incomplete");
  expect(readClientHello(bytes.subarray(0, LONGEST_HELLO))).toBe("other");
});

test("a first message that drips, in records of a byte, costs no more at its end than at its beginning", () => {
  const bytes = records([1, 0, 0x4f, 0, ...Array(LONGEST_HELLO).fill(0)], 1).subarray(0, LONGEST_HELLO - 1);
  const [reader, gathered] = [new ClientHelloReader(), new GatheredBytes()];
  const spent = processorTimeOf(() => {
    for (let at = 0; at < bytes.length; at++) {
      gathered.add(bytes.subarray(at, at + 1));
      expect(reader.read(gathered.bytes)).toBe("incomplete");
    }
  });
  // Looking at every record again for each byte takes seconds.
  expect(spent).toBeLessThan(600);
});

test("readClientHello() throws at no bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    const inside = records([1, 0, 0, bytes.length, ...bytes], 50);
    for (const each of [Buffer.from(bytes), inside]) readClientHello(each);
  }));
});
