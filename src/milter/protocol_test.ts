import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { chanceOf } from "../../test/kit/chance.ts";
import { type Command, parseCommand, printCommand } from "./command.ts";
import { agree, readOffer } from "./negotiation.ts";
import { PacketReader } from "./packet_reader.ts";
import { COMMANDS, EVENTS } from "./protocol.ts";
import { isResponse, parseResponse, printResponse, type Response } from "./response.ts";
import { readReplyCode } from "./verdict.ts";

const text = fc.string({ unit: "binary", maxLength: 40 }).map((given) =>
  Buffer.from(given, "utf8").toString("latin1").replaceAll("\0", "")
);
const number = fc.integer({ min: 0, max: 0xffff_ffff });

const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ is: fc.constant("negotiate" as const), version: number, actions: number, events: number }),
  fc.record({
    is: fc.constant("macro" as const),
    command: fc.constantFrom(...Object.values(COMMANDS)),
    texts: fc.array(fc.tuple(text, text)).map((pairs) => pairs.flat()),
  }),
  fc.record({
    is: fc.constant("connect" as const),
    host: text,
    peer: fc.oneof(
      fc.record({
        family: fc.constantFrom("4" as const, "6" as const, "L" as const),
        port: fc.integer({ min: 0, max: 65_535 }),
        address: text,
      }),
      fc.constant({ family: "U" as const }),
    ),
  }),
  fc.record({ is: fc.constantFrom("helo" as const, "unknown" as const), text }),
  fc.record({
    is: fc.constantFrom("mail" as const, "rcpt" as const),
    words: fc.array(text, { minLength: 1, maxLength: 5 }),
  }),
  fc.record({ is: fc.constant("header" as const), name: text, value: text }),
  fc.record({
    is: fc.constantFrom(
      "data" as const,
      "headerEnd" as const,
      "bodyEnd" as const,
      "abort" as const,
      "quit" as const,
    ),
  }),
);

const index = number;
const response: fc.Arbitrary<Response> = fc.oneof(
  fc.record({
    is: fc.constantFrom(
      "continue" as const,
      "accept" as const,
      "reject" as const,
      "tempfail" as const,
      "discard" as const,
      "shutdown" as const,
      "skip" as const,
      "progress" as const,
    ),
  }),
  fc.record({ is: fc.constantFrom("replyCode" as const, "quarantine" as const), text }),
  fc.record({ is: fc.constant("addHeader" as const), name: text, value: text }),
  fc.record({
    is: fc.constantFrom("insertHeader" as const, "changeHeader" as const),
    index,
    name: text,
    value: text,
  }),
  fc.record({
    is: fc.constantFrom("changeSender" as const, "addRecipientWith" as const),
    address: text,
    parameters: text,
  }),
  fc.record({ is: fc.constantFrom("addRecipient" as const, "deleteRecipient" as const), address: text }),
);

/** Reads all packets of a stream that comes in pieces. */
function packetsOf(bytes: Buffer, cut: number) {
  const reader = new PacketReader();
  const found = [];
  for (let at = 0; at < bytes.length; at += cut) {
    reader.add(bytes.subarray(at, at + cut));
    for (let packet = reader.next(); packet !== undefined; packet = reader.next()) {
      found.push(packet);
      if ("bad" in packet) return found;
    }
  }
  return found;
}

describe("packets", () => {
  test("what is printed is read again, however it is cut", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 5 }), fc.integer({ min: 1, max: 50 }), (given, cut) => {
        const packets = packetsOf(Buffer.concat(given.map(printCommand)), cut);
        const read = packets.map((packet) =>
          "bad" in packet ? packet : parseCommand(packet.letter, packet.data)
        );
        expect(read).toEqual(given);
      }),
    );
    fc.assert(
      fc.property(fc.array(response, { maxLength: 5 }), fc.integer({ min: 1, max: 50 }), (given, cut) => {
        const packets = packetsOf(Buffer.concat(given.map(printResponse)), cut);
        const read = packets.map((packet) => "bad" in packet ? packet : parseResponse(packet));
        expect(read).toEqual(given);
      }),
    );
  });

  test("a body comes in pieces as it comes in, of any length", () => {
    const body = Buffer.alloc(3_000_000, "x");
    const packets = packetsOf(
      Buffer.concat([
        printResponse({ is: "replaceBody", bytes: body }),
        printResponse({ is: "replaceBody", bytes: Buffer.alloc(0) }),
        printResponse({ is: "continue" }),
      ]),
      65_536,
    );
    const pieces = packets.slice(0, -2).map((packet) => "bad" in packet ? Buffer.alloc(0) : packet.data);
    expect(Buffer.concat(pieces).equals(body)).toBe(true);
    expect(pieces.length).toBeGreaterThan(40);
    expect(packets.slice(-2)).toEqual([
      { letter: "b", data: Buffer.alloc(0), more: false },
      { letter: "c", data: Buffer.alloc(0), more: false },
    ]);
  });

  test("a length that none has ends the stream, before anything is kept for it", () => {
    for (const length of [0, 0x8000_0000, 0xffff_ffff, 0x4000_0000, 2_000_000]) {
      const bytes = Buffer.from("\0\0\0\0hX", "latin1");
      bytes.writeUInt32BE(length);
      expect(packetsOf(bytes, 6)).toEqual([{ bad: expect.stringContaining("packet length") }]);
    }
  });

  test("mutated packets are read or refused, without a throw and without more memory than they have", () => {
    const rounds = Number(process.env.MTA_MILTER_FRAMES ?? 20_000);
    const { random } = chanceOf(import.meta.path);
    const chance = (below: number) => Math.floor(random() * below);
    const samples = [
      ...fc.sample(response, { numRuns: 200, seed: 7 }).map(printResponse),
      ...fc.sample(command, { numRuns: 100, seed: 8 }).map(printCommand),
    ];
    const offer = readOffer("6");
    if (typeof offer === "string") throw new Error(offer);
    let [read, refused] = [0, 0];
    for (let round = 0; round < rounds; round++) {
      const bytes = Buffer.from(samples[chance(samples.length)]!);
      for (let changes = chance(4); changes > 0; changes--) bytes[chance(bytes.length)] = chance(256);
      const cut = chance(3) === 0 ? bytes.subarray(0, chance(bytes.length + 1)) : bytes;
      for (const packet of packetsOf(cut, 1 + chance(30))) {
        if ("bad" in packet) {
          refused++;
          continue;
        }
        parseCommand(packet.letter, packet.data);
        agree({ ...packet, letter: "O" }, offer);
        const made = isResponse(packet.letter) ? parseResponse(packet) : undefined;
        if (made === undefined || made.is === "misread") refused++;
        else read++;
        if (made?.is === "replyCode") readReplyCode(made.text, true);
      }
    }
    expect(read).toBeGreaterThan(rounds / 10);
    expect(refused).toBeGreaterThan(rounds / 100);
  }, 600_000);
});

describe("negotiation", () => {
  const answer = (version: number, actions: number, events: number, more = "") => ({
    letter: "O",
    data: Buffer.concat([
      printCommand({ is: "negotiate", version, actions, events }).subarray(5),
      Buffer.from(more, "latin1"),
    ]),
    more: false,
  });

  test("milter_protocol is one version, and may do without answers to header fields", () => {
    expect(readOffer("6")).toEqual({ version: 6, events: 0x1fffff });
    expect(readOffer("2, no_header_reply")).toEqual({ version: 2, events: 0xff });
    expect(readOffer("3")).toEqual({ version: 3, events: 0x17f });
    expect(readOffer("4")).toEqual({ version: 4, events: 0x37f });
    for (const bad of ["5", "6 4", "x"]) expect(readOffer(bad)).toStartWith("bad protocol information: ");
    expect(readOffer("no_header_reply")).toBe("no protocol version information");
  });

  test("an older filter is not told what its version does not have, a newer one or one that wants more is none", () => {
    const offer = { version: 6, events: 0x1fffff };
    expect(agree(answer(2, 0x1f, 0), offer)).toMatchObject({ missing: EVENTS.noUnknown | EVENTS.noData });
    expect(agree(answer(5, 0x1f, 0), offer)).toMatchObject({ missing: 0 });
    expect(agree(answer(6, 0, 0x10), { version: 2, events: 0x7f })).toBe(
      "protocol version 6 conflict with MTA protocol version 2",
    );
    expect(agree(answer(6, 0x400, 0), offer)).toBe(
      "request mask 0x400 conflict with MTA request mask 0x1ff",
    );
    expect(agree({ letter: "c", data: Buffer.alloc(12), more: false }, offer)).toBe(
      'unexpected reply "c" in initial handshake',
    );
  });

  test("a filter names its macros itself, for stages that there are", () => {
    const offer = { version: 6, events: 0x1fffff };
    const agreement = agree(answer(6, 0x100, 0, "\0\0\0\x02i {x}\0\0\0\0\x09j\0"), offer);
    expect(agreement).toMatchObject({ macros: new Map([["mail", "i {x}"]]), unknownStages: [9] });
    expect(agree(answer(6, 0x100, 0, "\0\0\0\x02i"), offer)).toBe("missing string null termimator");
    expect(agree(answer(6, 0x100, 0, "\0\0"), offer)).toBe("input packet too short for network long");
  });
});

describe("a filter's own reply", () => {
  test("is one of one or more lines, its status that of all of them", () => {
    expect(readReplyCode("550 5.7.1 no 100%% %x", false)).toMatchObject({
      reply: { code: 550, status: "5.7.1", lines: ["no 100% x"] },
      text: "550 5.7.1 no 100% x",
    });
    expect(readReplyCode("451-4.7.1 a\r\n451 4.7.1 b", false)).toMatchObject({
      reply: { code: 451, status: "4.7.1", lines: ["a", "b"] },
    });
    expect(readReplyCode("451-4.7.1 a\r\n451 b", false)).toMatchObject({
      reply: { code: 451, status: undefined, lines: ["4.7.1 a", "b"] },
    });
    expect(readReplyCode("550 5.7.1 x", true)).toMatchObject({ reply: { code: 450, status: "4.7.1" } });
  });

  test("is none when it does not refuse", () => {
    for (const bad of ["250 2.0.0 Ok", "55 5.7.1 x", "550", "550 4.7.1 x", "abc", ""]) {
      expect(readReplyCode(bad, false)).toBeUndefined();
    }
  });
});
