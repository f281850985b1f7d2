import { expect, test } from "bun:test";
import fc from "fast-check";
import { fakeClock } from "../../../test/kit/memory/fake_clock.ts";
import { memoryDns } from "../../../test/kit/memory/memory_dns.ts";
import type { Zone } from "../../../test/kit/servers/dns_server.ts";
import { checkSpf, type SpfQuery } from "./check_spf.ts";

const ann: SpfQuery = {
  ip: "192.0.2.1",
  helo: "mail.example.net",
  sender: "ann@example.org",
  receiver: "mx.example.com",
};

function check(zone: Zone, query: Partial<SpfQuery> = {}) {
  return checkSpf({ ...ann, ...query }, { resolver: memoryDns(zone), clock: fakeClock() });
}

const txt = (...texts: string[]) => ({ TXT: texts });

test("a result names identity, domain and the directive that decided", async () => {
  const zone = { "example.org": txt("v=spf1 ip4:192.0.2.0/24 -all"), "mail.example.net": txt("v=spf1 ?all") };
  expect(await check(zone, { sender: "Ann@EXAMPLE.org." })).toEqual({
    is: "pass",
    identity: "mailfrom",
    domain: "example.org",
    mechanism: "ip4:192.0.2.0/24",
  });
  expect(await check(zone, { ip: "198.51.100.1" })).toMatchObject({ is: "fail", mechanism: "-all" });
  expect(await check(zone, { sender: "" })).toMatchObject({
    is: "neutral",
    identity: "helo",
    domain: "mail.example.net",
    mechanism: "?all",
  });
});

test("what a result repeats of a record has its limits", async () => {
  const long = `exists:${"%{l}.".repeat(3000)}example.org`;
  const { mechanism } = await check({
    "example.org": txt(`v=spf1 ${long} -a:${"x.".repeat(2000)}example ?all`),
  });
  expect(mechanism).toBe("?all");
  const zone: Zone = {
    "example.org": txt(`v=spf1 -${long}`),
    [`${"ann.".repeat(60)}example.org`]: { A: ["127.0.0.2"] },
  };
  expect((await check(zone)).mechanism).toBe(`-${long.slice(0, 99)}...`);
});

test("who has no domain to be judged by is neither good nor bad", async () => {
  for (
    const query of [
      { sender: "ann" },
      { sender: "ann@[192.0.2.1]" },
      { sender: "ann@localhost" },
      { sender: "", helo: "" },
      { sender: "", helo: "192.0.2.1" },
      { ip: "unknown" },
    ]
  ) expect(await check({}, query)).toMatchObject({ is: "none" });
});

test("a domain beyond ASCII is judged by its A-labels, and its senders match no macro (RFC 8616 §4)", async () => {
  const zone = {
    "xn--bcher-kva.example": txt("v=spf1 exists:%{l}.users.%{d} -all"),
    "ann.users.xn--bcher-kva.example": { A: ["127.0.0.2"] },
  };
  expect(await check(zone, { sender: "ann@bücher.example" })).toMatchObject({
    is: "pass",
    domain: "xn--bcher-kva.example",
  });
  expect(await check(zone, { sender: "änn@bücher.example" })).toMatchObject({ is: "fail" });
});

test("a v4-mapped address is an IPv4 address", async () => {
  const zone = { "example.org": txt("v=spf1 -ip6:::/0 ip4:192.0.2.1 ?all") };
  expect(await check(zone, { ip: "::ffff:192.0.2.1" })).toMatchObject({ is: "pass" });
});

test("the eleventh term that needs the DNS is one too many, in all records together", async () => {
  const zone = (terms: number) => ({
    "example.org": txt("v=spf1 ip4:203.0.113.7 include:a.example redirect=b.example"),
    "a.example": txt(`v=spf1 ${"a:other.example ".repeat(8)}-all`),
    "b.example": txt(`v=spf1 ${"mx:other.example ".repeat(terms)}+all`),
    "other.example": { A: ["203.0.113.1"], MX: ["0 other.example"] },
  });
  expect(await check(zone(0))).toMatchObject({ is: "pass" });
  expect(await check(zone(1))).toMatchObject({ is: "permerror" });
});

test("two lookups may find nothing, the third is one too many", async () => {
  const zone = (terms: number): Zone => ({
    "example.org": txt(`v=spf1 include:a.example ${"a:none.example ".repeat(terms)}-all exp=none.example`),
    "a.example": txt("v=spf1 exists:%{l}.none.example ~all"),
  });
  expect(await check(zone(1))).toMatchObject({ is: "fail" });
  expect(await check(zone(2))).toMatchObject({
    is: "permerror",
    why: "more than 2 lookups without an answer",
  });
});

test("%{p} costs a term, once, and nothing in an explanation", async () => {
  const zone = (terms: number): Zone => ({
    "example.org": txt(
      `v=spf1 ${"a:other.example ".repeat(terms)}exists:%{p}.x.example -all exp=exp.example.org`,
    ),
    "other.example": { A: ["203.0.113.1"] },
    "exp.example.org": txt("You are %{p}"),
    "1.2.0.192.in-addr.arpa": { PTR: ["Host.Example.Net."] },
    "host.example.net": { A: ["192.0.2.1"] },
  });
  expect(await check(zone(8))).toMatchObject({ is: "fail", explanation: "You are host.example.net" });
  expect(await check(zone(9))).toMatchObject({ is: "permerror" });
});

test("more than ten mail exchangers are an error, more than ten names are not", async () => {
  const hosts = Array.from({ length: 11 }, (_, at) => `h${at}.example.org`);
  const zone: Zone = {
    "example.org": { TXT: ["v=spf1 mx -all"], MX: hosts.map((host) => `10 ${host}`) },
    "names.example": txt("v=spf1 ptr:example.org -all"),
    "1.2.0.192.in-addr.arpa": { PTR: hosts.toReversed() },
    ...Object.fromEntries(
      hosts.map((host) => [host, { A: [host === hosts[0] ? "192.0.2.1" : "203.0.113.1"] }]),
    ),
  };
  expect(await check(zone)).toMatchObject({
    is: "permerror",
    why: "example.org has more than 10 mail exchangers",
  });
  expect(await check(zone, { sender: "ann@names.example" })).toMatchObject({ is: "fail" });
});

test("whatever the DNS does not answer is for later, but for names of the client", async () => {
  const broken = { "broken.example": "SERVFAIL", "refused.example": "REFUSED" } as const;
  for (
    const term of [
      "a:broken.example",
      "mx:broken.example",
      "exists:refused.example",
      "include:broken.example",
    ]
  ) {
    const zone: Zone = { ...broken, "example.org": txt(`v=spf1 ${term} -all`) };
    expect(await check(zone)).toMatchObject({ is: "temperror", mechanism: term });
  }
  const zone: Zone = { "example.org": txt("v=spf1 ptr -all"), "1.2.0.192.in-addr.arpa": "SERVFAIL" };
  expect(await check(zone)).toMatchObject({ is: "fail" });
  expect(await check({ "example.org": "SERVFAIL" })).toMatchObject({ is: "temperror" });
});

test("an address with a name server that never answers costs twenty seconds and no more", async () => {
  const clock = fakeClock();
  const zone: Zone = { "example.org": txt("v=spf1 ptr -all"), "1.2.0.192.in-addr.arpa": "silent" };
  const checked = checkSpf(ann, { resolver: memoryDns(zone), clock });
  let done = false;
  checked.then(() => done = true);
  await clock.advance(19_999);
  expect(done).toBe(false);
  await clock.advance(1);
  expect(await checked).toMatchObject({ is: "temperror" });
  expect(clock.pending()).toBe(0);
});

test("who gives up hears so at once", async () => {
  const giving = new AbortController();
  const world = {
    resolver: memoryDns({ "example.org": "silent" }),
    clock: fakeClock(),
    signal: giving.signal,
  };
  const checked = checkSpf(ann, world);
  giving.abort();
  expect(await checked).toMatchObject({ is: "temperror" });
});

test("a lookup for an explanation that never ends leaves the result as it is", async () => {
  const clock = fakeClock();
  const zone: Zone = { "example.org": txt("v=spf1 -all exp=e.example.org"), "e.example.org": "silent" };
  const checked = checkSpf(ann, { resolver: memoryDns(zone), clock });
  await clock.advance(20_000);
  expect(await checked).toEqual({
    is: "fail",
    identity: "mailfrom",
    domain: "example.org",
    mechanism: "-all",
  });
});

test("records that lead to each other in any way end, with a bounded number of queries", async () => {
  const name = fc.constantFrom("a.example", "b.example", "c.example", "%{l}.example", "%{p}.example");
  const term = fc.oneof(
    name.map((target) => `include:${target}`),
    name.map((target) => `mx:${target}`),
    name.map((target) => `-exists:${target}`),
    name.map((target) => `?a:${target}/8//8`),
    name.map((target) => `redirect=${target}`),
    name.map((target) => `exp=${target}`),
    fc.constantFrom("ptr", "all", "-all", "a", "mx", "ip4:192.0.2.0/24"),
  );
  const entry = fc.record({
    TXT: fc.array(fc.array(term, { maxLength: 14 }).map((terms) => `v=spf1 ${terms.join(" ")}`), {
      maxLength: 2,
    }),
    A: fc.constantFrom(["192.0.2.1"], ["203.0.113.9"], []),
    MX: fc.array(fc.constantFrom("0 a.example", "1 b.example", "2 "), { maxLength: 12 }),
  });
  const zones = fc.dictionary(fc.constantFrom("example.org", "a.example", "b.example", "c.example"), entry);
  await fc.assert(fc.asyncProperty(zones, async (zone) => {
    const resolver = memoryDns({ ...zone, "1.2.0.192.in-addr.arpa": { PTR: ["a.example", "b.example"] } });
    const result = await checkSpf(ann, { resolver, clock: fakeClock() });
    expect(result.domain).toBe("example.org");
    // Each of ten terms: a query, ten hosts; and the client's names, the record and the explanation.
    expect(resolver.asked.length).toBeLessThanOrEqual(1 + 10 * 12 + 11 + 1);
  }));
});
