/** Each way begins with a line end: the engine leaps from one to the next instead of trying every byte. */
const ANOMALY = /\n\.|\r(?!\n)|(?<!\r)\n/;

/** Less than this is not worth the way into the module. */
const LITTLE = 1024;
/** Where the content lies: copying to such a place is many times faster than to one byte beside it. */
const START = 64;
/** What is looked at in one turn of the loop. */
const STRIDE = 64;
/** One byte more than that is read behind the last one. */
const BEHIND = STRIDE + 1;
const PAGES = 1;
const ROOM = PAGES * 65_536 - START - BEHIND;

/** Answers not 0 when there is an anomaly between two places of its memory; the byte before and those behind are 0. */
type Scan = (from: number, end: number) => number;

interface Scanner {
  readonly memory: Uint8Array;
  readonly scan: Scan;
}

let scanner: Scanner | "none" | undefined;

/**
 * Whether content has a dot at the start of a line, a CR without LF or an LF without CR, a CR at its end and an LF at its start
 * included. Larger pieces are compared 64 bytes at a time by a small module of vector instructions, at a fifth of the cost of a regular
 * expression, which needs a string; where the machine has no such instructions, that expression answers.
 */
export function hasAnomaly(bytes: Buffer): boolean {
  if (bytes.length < LITTLE || bytes.length > ROOM) return ANOMALY.test(bytes.toString("latin1"));
  scanner ??= makeScanner();
  if (scanner === "none") return ANOMALY.test(bytes.toString("latin1"));
  const { memory, scan } = scanner;
  const end = START + bytes.length;
  memory.set(bytes, START);
  memory.fill(0, end, end + BEHIND);
  return scan(START - 1, end) !== 0;
}

/** Compiles the module. */
function makeScanner(): Scanner | "none" {
  try {
    const { memory, scan } = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes())).exports;
    if (!(memory instanceof WebAssembly.Memory) || typeof scan !== "function") return "none";
    return { memory: new Uint8Array(memory.buffer), scan: scan as Scan };
  } catch {
    return "none";
  }
}

const get = (local: number) => [0x20, local];
const SET = 0x21;
const AND = [0xfd, 0x4e];
const OR = [0xfd, 0x50];
const XOR = [0xfd, 0x51];
const ANY = [0xfd, 0x53];
const RETURN = [0x0f, 0x0b];

/** Which of the 16 bytes in a local are this one. */
const are = (local: number, byte: number) => [
  ...get(local),
  ...[0xfd, 0x0c],
  ...Array.from({ length: 16 }, () => byte),
  ...[0xfd, 0x23],
];

/** The 16 bytes at `at` (in local 2) beside those that follow each (3): CR goes with LF and with nothing else, and no dot follows LF. */
function oddPairs(at: number): number[] {
  const load = (offset: number, into: number) => [...get(0), 0xfd, 0, 0, offset, SET, into];
  return [
    ...[...load(at, 2), ...load(at + 1, 3)],
    ...[...are(2, 13), ...are(3, 10), ...XOR],
    ...[...are(2, 10), ...are(3, 46), ...AND, ...OR],
  ];
}

/** WebAssembly's binary form of a memory and of `scan` (WebAssembly Core Specification 2.0, §5). */
function moduleBytes(): Uint8Array<ArrayBuffer> {
  const body = [
    ...[1, 2, 0x7b], // two locals of 128 bits, 2 and 3, behind `from` and `end`
    ...[0x03, 0x40], // loop
    ...[...get(0), ...get(1), 0x4f, 0x04, 0x40, 0x41, 0, ...RETURN], // if (from >= end) return 0
    ...[...oddPairs(0), ...oddPairs(16), ...OR, ...oddPairs(32), ...OR, ...oddPairs(48), ...OR],
    ...[...ANY, 0x04, 0x40, 0x41, 1, ...RETURN], // if (any of them) return 1
    ...[...get(0), 0x41, 0xc0, 0, 0x6a, SET, 0], // from += 64
    ...[0x0c, 0, 0x0b, 0x41, 0, 0x0b],
  ];
  const code = [1, ...leb128(body.length), ...body];
  const name = (text: string) => [text.length, ...Buffer.from(text)];
  const exported = [2, ...name("memory"), 2, 0, ...name("scan"), 0, 0];
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, 7, 1, 0x60, 2, 0x7f, 0x7f, 1, 0x7f], // a function of two integers to one
    ...[3, 2, 1, 0],
    ...[5, 3, 1, 0, PAGES],
    ...[7, exported.length, ...exported],
    ...[10, ...leb128(code.length), ...code],
  ]);
}

function leb128(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, value >> 7];
}
