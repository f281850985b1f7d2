import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatIp, parseIp } from "../address/ip.ts";
import { parseProxyHeader } from "./proxy_header.ts";

const BOTH = new Set<4 | 6>([4, 6]);
const V4 = new Set<4 | 6>([4]);
const SIGNATURE = "0d0a0d0a000d0a515549540a";
const FROM4 = "c0000207c000020112340019";
const FROM6 = "20010db800000000000000000000000720010db800000000000000000000000112340019";

/** A header of version 2: command and version, family and transport, addresses. */
function binary(version: string, family: string, block: string): Buffer {
  const length = (block.length / 2).toString(16).padStart(4, "0");
  return Buffer.from(`${SIGNATURE}${version}${family}${length}${block}`, "hex");
}

function told(bytes: Buffer | string, families = BOTH): string {
  const header = parseProxyHeader(Buffer.from(bytes), families);
  if (header.is === "proxied") {
    const { client, server } = header;
    return `${client.address}/${client.port} ${server.address}/${server.port} ${header.length}`;
  }
  return header.is === "local" ? `local ${header.length}` : `${header.is}: ${header.why}`;
}

// The words for what is bad are those that Postfix 3.7.11 logs for the same bytes.
test.each<[string, string]>([
  ["PROXY TCP4 192.0.2.7 192.0.2.1 1234 25\r\n", "192.0.2.7/1234 192.0.2.1/25 40"],
  ["PROXY TCP4 192.0.2.7 192.0.2.1 1234 25\r\nEHLO a\r\n", "192.0.2.7/1234 192.0.2.1/25 40"],
  ["PROXY TCP4 192.0.2.7 192.0.2.1 1234 25\n", "192.0.2.7/1234 192.0.2.1/25 39"],
  ["PROXY TCP4 192.0.2.7 192.0.2.1 0 25\r\n", "192.0.2.7/0 192.0.2.1/25 37"],
  ["PROXY TCP4 192.0.2.7 192.0.2.1 1234 25 more\r\n", "192.0.2.7/1234 192.0.2.1/25 45"],
  ["PROXY TCP6 2001:DB8::7 2001:db8::1 1234 25\r\n", "2001:db8::7/1234 2001:db8::1/25 44"],
  ["PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 1 25\r\n", "192.0.2.7/1 192.0.2.1/25 51"],
  ["PROXY UNKNOWN\r\n", "bad: bad or missing protocol type"],
  ["PROXY TCP5 192.0.2.7 192.0.2.1 1234 25\r\n", "bad: bad or missing protocol type"],
  ["PROXY TCP4 192.0.2.777 192.0.2.1 1234 25\r\n", "bad: bad or missing client address"],
  ["PROXY TCP4 2001:db8::7 192.0.2.1 1234 25\r\n", "bad: bad or missing client address"],
  ["PROXY TCP4 192.0.2.7 foo 1234 25\r\n", "bad: bad or missing server address"],
  ["PROXY TCP4 192.0.2.7 192.0.2.1 99999 25\r\n", "bad: bad or missing client port"],
  ["PROXY TCP4 192.0.2.7 192.0.2.1 -1 25\r\n", "bad: bad or missing client port"],
  ["PROXY TCP4 192.0.2.7 192.0.2.1 01234 25\r\n", "bad: bad or missing client port"],
  ["PROXY TCP4 192.0.2.7 192.0.2.1 1234\r\n", "bad: bad or missing server port"],
  ["PROXY\tTCP4  192.0.2.7 192.0.2.1 1234 25\r\n", "bad: unrecognized protocol header"],
  ["proxy TCP4 192.0.2.7 192.0.2.1 1234 25\r\n", "bad: unrecognized protocol header"],
  ["HELO a\r\n", "bad: short protocol header"],
  ["PROXY TC", "incomplete: missing protocol header terminator"],
  ["", "incomplete: timeout error"],
])("version 1: %j", (text, want) => {
  expect(told(text)).toBe(want);
});

test.each<[string, Buffer, string]>([
  ["IPv4", binary("21", "11", FROM4), "192.0.2.7/4660 192.0.2.1/25 28"],
  ["IPv6", binary("21", "21", FROM6), "2001:db8::7/4660 2001:db8::1/25 52"],
  ["with attributes", binary("21", "11", `${FROM4}04000100`), "192.0.2.7/4660 192.0.2.1/25 32"],
  ["for the proxy itself", binary("20", "00", ""), "local 16"],
  ["for the proxy itself, with addresses", binary("20", "11", FROM4), "local 28"],
  ["without a family", binary("21", "00", ""), "bad: unsupported network protocol"],
  ["UDP", binary("21", "12", FROM4), "bad: unsupported network protocol"],
  ["a unix socket", binary("21", "31", "00".repeat(216)), "bad: unsupported network protocol"],
  ["too short for its family", binary("21", "11", FROM4.slice(0, 16)), "bad: short address field"],
  ["another command", binary("22", "11", FROM4), "bad: bad command in proxy header"],
  ["version 1 in binary", binary("11", "11", FROM4), "bad: unrecognized protocol version"],
  [
    "attributes without end",
    binary("21", "11", `${FROM4}${"00".repeat(10_000)}`),
    "bad: short version 2 protocol header",
  ],
])("version 2: %s", (_name, bytes, want) => {
  expect(told(bytes)).toBe(want);
});

test("every beginning of a good header is incomplete, and never a session", () => {
  for (const whole of [Buffer.from("PROXY TCP4 192.0.2.7 192.0.2.1 1 25\r\n"), binary("21", "21", FROM6)]) {
    for (let end = 1; end < whole.length; end++) {
      expect(parseProxyHeader(whole.subarray(0, end), BOTH).is).toBe("incomplete");
    }
  }
});

test("a header without end is bad", () => {
  expect(told(`PROXY TCP4 ${"1".repeat(3000)}`)).toBe("bad: missing protocol header terminator");
});

test("a family that inet_protocols leaves out is refused", () => {
  expect(told(binary("21", "21", FROM6), V4)).toBe("bad: Postfix IPv6 support is disabled");
  expect(told("PROXY TCP6 2001:db8::7 2001:db8::1 1 25\r\n", V4)).toBe("bad: bad or missing protocol type");
});

const port = fc.nat(65_535);
const side4 = fc.tuple(fc.ipV4(), port);
const side6 = fc.tuple(fc.array(fc.nat(0xffff), { minLength: 7, maxLength: 7 }), port).map(([groups, at]) =>
  [["2001", ...groups.map((group) => group.toString(16))].join(":"), at] as const
);
const sides = fc.oneof(
  fc.tuple(fc.constant(4 as const), side4, side4),
  fc.tuple(fc.constant(6 as const), side6, side6),
);

/** An address as its bytes. */
const blockOf = (address: string) =>
  address.includes(":")
    ? address.split(":").map((group) => group.padStart(4, "0")).join("")
    : Buffer.from(address.split(".").map(Number)).toString("hex");
const short = (number: number) => number.toString(16).padStart(4, "0");

test("either version's header is read as the addresses it was made of, and what follows is left", () => {
  fc.assert(
    fc.property(sides, fc.uint8Array({ maxLength: 30 }), ([family, [from, fromPort], [to, toPort]], rest) => {
      const first = Buffer.from(`PROXY TCP${family} ${from} ${to} ${fromPort} ${toPort}\r\n`);
      const block = `${blockOf(from)}${blockOf(to)}${short(fromPort)}${short(toPort)}`;
      const second = binary("21", family === 4 ? "11" : "21", block);
      const shown = (address: string) => formatIp(parseIp(address)!);
      for (const header of [first, second]) {
        expect(parseProxyHeader(Buffer.concat([header, rest]), BOTH)).toEqual({
          is: "proxied",
          client: { address: shown(from), port: fromPort },
          server: { address: shown(to), port: toPort },
          length: header.length,
        });
      }
    }),
  );
});
