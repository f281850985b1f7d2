import { afterAll, beforeAll, expect, test } from "bun:test";
import packet from "dns-packet";
import fc from "fast-check";
import { type DnsServer, startDnsServer } from "../../test/kit/servers/dns_server.ts";
import { connect } from "../platform/socket/connection.ts";
import type { Wire } from "./exchange.ts";
import { printQuery } from "./message.ts";
import { parseDnssecProbe, probeDnssec } from "./dnssec_probe.ts";
import { createResolver, type Resolver } from "./resolver.ts";
import { createValidatedResolver, nameServers } from "./system_resolver.ts";
import { findTlsa } from "./tlsa.ts";

/** Names that are not signed. */
const INSECURE = new Set([
  "plain.example",
  "to-plain.signed.example",
  "_25._tcp.plain.example",
  "_25._tcp.unsigned-tlsa.signed.example",
]);

let server: DnsServer;

beforeAll(async () => {
  server = await startDnsServer({
    "signed.example": { MX: ["10 mx.signed.example"] },
    "mx.signed.example": { A: ["192.0.2.1"], AAAA: ["2001:db8::1"] },
    "_25._tcp.mx.signed.example": { TLSA: ["3 1 1 00ff"] },
    "alias.signed.example": { CNAME: ["mx.signed.example"] },
    "_25._tcp.alias.signed.example": { TLSA: ["3 1 1 aaaa"] },
    "bare.signed.example": { A: ["192.0.2.2"] },
    "to-bare.signed.example": { CNAME: ["bare.signed.example"] },
    "_25._tcp.to-bare.signed.example": { TLSA: ["3 1 1 bbbb"] },
    "to-plain.signed.example": { CNAME: ["plain.example"] },
    "_25._tcp.to-plain.signed.example": { TLSA: ["3 1 1 cccc"] },
    "plain.example": { A: ["192.0.2.3"] },
    "_25._tcp.plain.example": { TLSA: ["3 1 1 dddd"] },
    "to-gone.signed.example": { A: "SERVFAIL", CNAME: "SERVFAIL" },
    "unsigned-tlsa.signed.example": { A: ["192.0.2.4"] },
    "_25._tcp.unsigned-tlsa.signed.example": { TLSA: ["3 1 1 eeee"] },
    "bogus.signed.example": { A: ["192.0.2.5"] },
    "_25._tcp.bogus.signed.example": "SERVFAIL",
    "elsewhere.signed.example": { A: ["192.0.2.6"] },
    "_25._tcp.elsewhere.signed.example": { CNAME: ["_dane.signed.example"] },
    "_dane.signed.example": { TLSA: ["2 0 1 abcd"] },
    "many.signed.example": { A: ["192.0.2.7"] },
    "_25._tcp.many.signed.example": { TLSA: Array.from({ length: 300 }, (_, i) => `3 1 1 ${i + 1000}`) },
  }, {
    ttl: 60,
    // The alias itself is signed; what it leads to is not.
    authentic: (name, type) =>
      !INSECURE.has(name) || (name === "to-plain.signed.example" && type === "CNAME"),
  });
});
afterAll(() => server.close());

function validated(trusted = true): Resolver {
  return createResolver({
    servers: [{ host: "127.0.0.1", port: server.port }],
    timeout: 2000,
    trustsAd: () => trusted,
  });
}

const authenticOf = (answer: { readonly is: string; readonly authentic?: boolean }) => answer.authentic;

test("validation is asked for with AD and DO, and only by who wants it", () => {
  const decoded = (dnssec: boolean, edns = true) =>
    packet.decode(printQuery(1, "example.com", "A", { edns, dnssec }).bytes);
  expect(decoded(true)).toMatchObject({ flag_ad: true, additionals: [{ flag_do: true }] });
  expect(decoded(false)).toMatchObject({ flag_ad: false, additionals: [{ flag_do: false }] });
  expect(decoded(true, false)).toMatchObject({ flag_ad: true, additionals: [] });
});

test("the root can be asked about", () => {
  const question = printQuery(1, "", "NS", { edns: true, dnssec: true });
  expect(question.section).toEqual(Buffer.from([0, 0, 2, 0, 1]));
});

test("the AD flag is kept in every kind of answer, and through the cache", async () => {
  const dns = validated();
  for (let round = 0; round < 2; round++) {
    expect(authenticOf(await dns.mx("signed.example"))).toBe(true);
    expect(authenticOf(await dns.mx("mx.signed.example"))).toBe(true);
    expect(authenticOf(await dns.mx("nosuch.signed.example"))).toBe(true);
    expect(authenticOf(await dns.query("plain.example", "A"))).toBe(false);
  }
});

test("nobody's AD flag counts whose path is not trusted, and none where validation is not asked for", async () => {
  expect(authenticOf(await validated(false).mx("signed.example"))).toBe(false);
  const plain = createResolver({ servers: [{ host: "127.0.0.1", port: server.port }] });
  expect(authenticOf(await plain.mx("signed.example"))).toBe(false);
});

test("addresses() tells whose each address is, and whether that is validated", async () => {
  const owners = async (name: string) => {
    const answer = await validated().addresses(name, [4, 6]);
    return answer.is === "records" ? answer.addresses.map(({ owner }) => owner) : answer.is;
  };
  const mx = { canonical: "mx.signed.example", authentic: true };
  expect(await owners("mx.signed.example")).toEqual([mx, mx]);
  expect(await owners("alias.signed.example")).toEqual([mx, mx]);
  expect(await owners("to-plain.signed.example")).toEqual([{ canonical: "plain.example", authentic: false }]);
});

/** A server that tells one step of a CNAME chain at a time; `secure` says which steps it has validated. */
function stepwise(secure: readonly boolean[]): Wire {
  const last = secure.length - 1;
  return {
    tcp: connect,
    udp: (_, handler) => ({
      close: () => {},
      send: (bytes) =>
        queueMicrotask(() => {
          const { id, questions = [] } = packet.decode(Buffer.from(bytes));
          const name = questions[0]!.name;
          const step = Number(name.slice(1, name.indexOf(".")));
          const data = `n${step + 1}.example`;
          handler.message(packet.encode({
            type: "response",
            id,
            flags: secure[step] ? packet.AUTHENTIC_DATA : 0,
            questions,
            answers: step === last
              ? [{ type: "A", name, ttl: 60, data: "192.0.2.1" }]
              : [{ type: "CNAME", name, ttl: 60, data }],
          }));
        }),
    }),
  };
}

test("a chain of aliases over several responses is as secure as its weakest step", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }), async (secure) => {
      const dns = createResolver({
        servers: [{ host: "127.0.0.1", port: 53 }],
        wire: stepwise(secure),
        trustsAd: () => true,
      });
      expect(await dns.query("n0.example", "A")).toMatchObject({
        canonical: `n${secure.length - 1}.example`,
        authentic: secure.every((step) => step),
      });
    }),
    { numRuns: 200 },
  );
});

test("the servers of this machine are believed, others where the operator says so", () => {
  const hosts = (servers: readonly string[], trustAd = false) => {
    const { believed, others } = nameServers({ servers, trustAd });
    return [believed.map(({ host }) => host), others.map(({ host }) => host)];
  };
  expect(hosts(["127.0.0.53", "[::1]:5353", "127.1.2.3:5300"])).toEqual([
    ["127.0.0.53", "::1", "127.1.2.3"],
    [],
  ]);
  expect(hosts(["127.0.0.1", "192.0.2.53", "2001:db8::53"])).toEqual([
    ["127.0.0.1"],
    ["192.0.2.53", "2001:db8::53"],
  ]);
  expect(hosts(["192.0.2.53"], true)).toEqual([["192.0.2.53"], []]);
});

/** A validating server on this machine that finds everything bogus, and another one that looks at nothing. */
const BOGUS_HERE: Wire = {
  tcp: connect,
  udp: ({ host }, handler) => ({
    close: () => {},
    send: (bytes) =>
      queueMicrotask(() => {
        const { id, questions = [] } = packet.decode(Buffer.from(bytes));
        const SERVFAIL = 2;
        const isHere = host === "127.0.0.1";
        handler.message(packet.encode({ type: "response", id, flags: isHere ? SERVFAIL : 0, questions }));
      }),
  }),
};

test("what a believed server has found bogus is not asked of another", async () => {
  const ask = (servers: readonly string[]) =>
    createValidatedResolver({ servers, trustAd: false }, { wire: BOGUS_HERE }).tlsa("_25._tcp.mx.example");
  expect(await ask(["127.0.0.1", "192.0.2.53"])).toMatchObject({ is: "trouble", retry: true });
  expect(await ask(["192.0.2.53", "127.0.0.1"])).toMatchObject({ is: "trouble", retry: true });
  expect(await ask(["192.0.2.53"])).toEqual({ is: "nodata", authentic: false });
});

test("createValidatedResolver() believes a server on loopback", async () => {
  const dns = createValidatedResolver({ servers: [server.address], trustAd: false });
  expect(authenticOf(await dns.mx("signed.example"))).toBe(true);
});

/** What is found for a host, as the client would ask: its addresses first. */
async function found(name: string, force = false) {
  const dns = validated();
  const addresses = await dns.addresses(name, [4]);
  const owner = addresses.is === "records" ? addresses.addresses[0]!.owner : undefined;
  return await findTlsa(dns, { name, owner }, 25, force);
}

const record = (hex: string) => [{ data: Buffer.from(hex, "hex") }];

test("TLSA records are looked for under the expanded name, then under the name itself", async () => {
  expect(await found("mx.signed.example")).toMatchObject({
    records: record("00ff"),
    base: "mx.signed.example",
  });
  expect(await found("alias.signed.example")).toMatchObject({
    records: record("00ff"),
    base: "mx.signed.example",
  });
  expect(await found("to-bare.signed.example")).toMatchObject({
    records: record("bbbb"),
    base: "to-bare.signed.example",
  });
  expect(await found("bare.signed.example")).toEqual({ is: "absent" });
});

test("a secure alias of an insecure name has the TLSA records of its own name", async () => {
  expect(await found("to-plain.signed.example")).toMatchObject({
    records: record("cccc"),
    base: "to-plain.signed.example",
  });
});

test("TLSA records may themselves be an alias", async () => {
  expect(await found("elsewhere.signed.example")).toMatchObject({
    records: record("abcd"),
    base: "elsewhere.signed.example",
    asked: "_25._tcp.elsewhere.signed.example",
    canonical: "_dane.signed.example",
  });
});

test("an insecure host is not asked for TLSA records, unless it is forced, and insecure records count as none", async () => {
  server.asked.length = 0;
  expect(await found("plain.example")).toEqual({ is: "absent" });
  expect(server.asked).toEqual(["udp A plain.example"]);
  expect(await found("plain.example", true)).toEqual({ is: "absent" });
  expect(server.asked).toContain("udp TLSA _25._tcp.plain.example");
  expect(await found("unsigned-tlsa.signed.example")).toEqual({ is: "absent" });
});

test("of hundreds of TLSA records only the first are looked at", async () => {
  const answer = await found("many.signed.example");
  expect(answer.is === "records" && answer.records.length).toBe(50);
});

test("a bogus answer is trouble, not absence", async () => {
  expect(await found("bogus.signed.example")).toEqual({
    is: "trouble",
    why: "DANE TLSA lookup problem: Host or domain name not found. " +
      "Name service error for name=_25._tcp.bogus.signed.example type=TLSA: Host not found, try again",
  });
  const owner = { canonical: "plain.example", authentic: false };
  expect(await findTlsa(validated(), { name: "to-gone.signed.example", owner }, 25, false)).toEqual({
    is: "trouble",
    why: "DNSSEC status lookup error for to-gone.signed.example: Host or domain name not found. " +
      "Name service error for name=to-gone.signed.example type=CNAME: Host not found, try again",
  });
});

test("an address or a host of another source has no TLSA records", async () => {
  const dns = validated();
  expect(await findTlsa(dns, { name: "192.0.2.1", owner: undefined }, 25, true)).toEqual({ is: "absent" });
  expect(await findTlsa(dns, { name: "mx.signed.example", owner: undefined }, 25, false)).toEqual({
    is: "absent",
  });
});

test("a probe tells whether anybody validates, in Postfix's words", async () => {
  const probe = (text: string, resolver = validated()) => {
    const parsed = parseDnssecProbe(text);
    return typeof parsed === "object" ? probeDnssec(resolver, parsed) : parsed;
  };
  expect(await probe("")).toBeUndefined();
  expect(await probe("ns")).toBe("malformed dnssec_probe value: ns format is qtype:qname");
  expect(await probe("hinfo:.")).toBe("malformed dnssec_probe value: hinfo:. format is qtype:qname");
  expect(await probe("mx:signed.example")).toEqual([]);
  expect(await probe("ns:.")).toEqual([]);
  const unavailable = "DNSSEC validation may be unavailable";
  expect(await probe("ns:.", validated(false))).toEqual([
    unavailable,
    "reason: dnssec_probe 'ns:.' received a response that is not DNSSEC validated",
  ]);
  expect(await probe("a:to-gone.signed.example")).toEqual([
    unavailable,
    "reason: dnssec_probe 'a:to-gone.signed.example' received no response: Host or domain name not found. " +
    "Name service error for name=to-gone.signed.example type=A: Host not found, try again",
  ]);
});
