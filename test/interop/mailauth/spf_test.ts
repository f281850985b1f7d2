// Our reading of SPF records beside pyspf's, by records and clients that chance makes up.
import { expect } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import fc from "fast-check";
import { checkSpf } from "../../../src/mailauth/spf/check_spf.ts";
import { chanceOf } from "../../kit/chance.ts";
import { fakeClock } from "../../kit/memory/fake_clock.ts";
import { memoryDns } from "../../kit/memory/memory_dns.ts";
import { withPeers } from "../../kit/peers.ts";
import type { Zone } from "../../kit/servers/dns_server.ts";

const { test } = withPeers(import.meta.path, "pyspf");
const chance = chanceOf(import.meta.path);

const NAMES = ["example.org", "a.example.org", "b.example.net", "c.example.com"];
const target = fc.constantFrom(
  ...NAMES,
  ...NAMES,
  ...[
    "none.example.org",
    "broken.example.org",
    "example.org.",
    "example",
    "x..example.org",
    "a:b.example.org",
  ],
  ...[
    "%{d2}",
    "%{l}.example.org",
    "%{ir}.%{v}.example.org",
    "%{h}",
    "%{o}",
    "%{d1r}.example",
    "%{p}.example.org",
  ],
  ...["a.%{dr}.com", "%{l1r-+}.example.org", "%{S}.example.org", "%{x}.example.org"],
);
const sign = fc.constantFrom("", "+", "-", "~", "?");
const lengths = fc.constantFrom("", "", "", "/24", "//64", "/24//64", "/0", "/33", "//129", "/08", "/32//0");
const term = fc.oneof(
  fc.tuple(sign, fc.constantFrom("include", "exists"), target).map(([a, b, c]) => `${a}${b}:${c}`),
  fc.tuple(sign, fc.constantFrom("a", "mx"), fc.option(target), lengths)
    .map(([a, b, c, d]) => `${a}${b}${c === null ? "" : `:${c}`}${d}`),
  fc.tuple(sign, fc.constantFrom("ptr", "ptr:example.org", "PTR:Example.com")).map(([a, b]) => `${a}${b}`),
  fc.tuple(
    sign,
    fc.constantFrom(
      ...["ip4:192.0.2.0/24", "ip4:192.0.2.1", "ip4:203.0.113.9", "ip4:192.0.2.256", "ip4:192.0.2.1/8"],
      ...["ip6:2001:db8::/32", "ip6:2001:db8::1/128", "ip6:::ffff:192.0.2.1", "IP4:192.0.2.1"],
    ),
  ).map(([a, b]) => `${a}${b}`),
  fc.constantFrom(
    "-all",
    "~all",
    "?all",
    "all",
    "all:",
    "bar",
    "foo=bar",
    "x-y.z=%{d}",
    "a=%x",
    "exp=exp.example.org",
  ),
  target.map((name) => `redirect=${name}`),
);
const record = fc.array(term, { maxLength: 6 }).map((terms) => `v=spf1 ${terms.join(" ")}`);
const entry = fc.record({
  TXT: fc.oneof(
    { weight: 8, arbitrary: record.map((text) => [text]) },
    record.map((text) => ["something else", text]),
    fc.tuple(record, record).map((both) => [...both]),
    fc.constant([]),
  ),
  A: fc.constantFrom([], ["192.0.2.1"], ["203.0.113.9"], ["192.0.2.77", "203.0.113.1"]),
  AAAA: fc.constantFrom([], ["2001:db8::1"], ["2001:db8::ffff", "fe80::1"]),
  MX: fc.constantFrom([], ["10 a.example.org"], ["10 b.example.net", "20 none.example.org"], ["0 "], [
    "5 c.example.com",
    "6 example.org",
  ]),
});
const pointers = fc.constantFrom([], ["a.example.org"], ["c.example.com", "example.org"]);
const cases = fc.record({
  zone: fc.tuple(fc.tuple(...NAMES.map(() => entry)), pointers).map(([entries, PTR]): Zone => ({
    ...Object.fromEntries(entries.map((records, at) => [NAMES[at]!, records])),
    "broken.example.org": "SERVFAIL",
    "exp.example.org": { TXT: ["%{s} is not for %{c}, says %{d} to %{h}"] },
    "1.2.0.192.in-addr.arpa": { PTR },
    "9.113.0.203.in-addr.arpa": { PTR },
  })),
  ip: fc.constantFrom(
    "192.0.2.1",
    "203.0.113.9",
    "192.0.2.77",
    "2001:db8::1",
    "198.51.100.1",
    "::ffff:192.0.2.1",
  ),
  sender: fc.constantFrom("ann@example.org", "Ann-b+c@a.example.org", "x@b.example.net", ""),
  helo: fc.constantFrom("c.example.com", "example.org", "host", "a.example.org"),
  receiver: fc.constant("mx.example.com"),
});

/**
 * Where pyspf goes by rules of its own: it takes a modifier that nobody knows, and a record that includes itself, for errors; and it counts
 * each lookup without an answer, where RFC 7208 §4.6.4 counts terms.
 */
const OF_ITS_OWN = /MUST appear at most once: (?:foo|x-y\.z)|trivial recursion|Void lookup limit/;

const RUNS = 4000;

test("pyspf comes to the same results, and says the same to those who are refused", async () => {
  const made = fc.sample(cases, { numRuns: RUNS, seed: Math.floor(chance.random() * 2 ** 31) });
  const driver = join(import.meta.dirname, "spf_cases.py");
  const { stdout, stderr } = spawnSync("/usr/bin/python3", ["-W", "ignore", driver], {
    input: JSON.stringify(made),
    maxBuffer: 1 << 26,
    encoding: "utf8",
  });
  if (stderr !== "") throw new Error(stderr);
  const theirs = JSON.parse(stdout) as readonly { readonly is: string; readonly text: string }[];
  let compared = 0;
  for (const [at, each] of made.entries()) {
    const { is, text } = theirs[at]!;
    if (OF_ITS_OWN.test(text)) continue;
    compared++;
    const ours = await checkSpf(each, { resolver: memoryDns(each.zone), clock: fakeClock() });
    const found = { case: each, is: ours.is, text: ours.is === "fail" ? ours.explanation ?? "" : "" };
    expect(found).toEqual({ case: each, is, text: is === "fail" ? text : "" } as typeof found);
  }
  expect(compared).toBeGreaterThan(RUNS * 0.9);
}, 120_000);
