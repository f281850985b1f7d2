import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { type DnsServer, startDnsServer } from "../../test/kit/servers/dns_server.ts";
import { openDatagrams } from "../platform/socket/udp.ts";
import { connect } from "../platform/socket/connection.ts";
import type { Wire } from "./exchange.ts";
import { answersQuestion, parseResponse, printQuery } from "./message.ts";
import { createResolver, type Resolver, type ResolverOptions } from "./resolver.ts";

let server: DnsServer;

beforeAll(async () => {
  const many = Array.from(
    { length: 60 },
    (_, i) => `10 mx${i}.a-rather-long-name-to-fill-the-packet.example.net`,
  );
  server = await startDnsServer({
    "example.com": {
      MX: ["20 mx2.example.com", "10 mx1.example.com"],
      TXT: ["v=spf1 -all"],
      A: ["192.0.2.1"],
    },
    "mx1.example.com": { A: ["192.0.2.10", "192.0.2.11"], AAAA: ["2001:db8::10"] },
    "only4.example.com": { A: ["192.0.2.4"] },
    "alias.example.com": { CNAME: ["www.example.com"] },
    "www.example.com": { CNAME: ["mx1.example.com"] },
    "dangling.example.com": { CNAME: ["nowhere.example.com"] },
    "nullmx.example.com": { MX: ["0 ."] },
    "broken.example.com": "SERVFAIL",
    "refused.example.com": "REFUSED",
    "silent.example.com": "silent",
    ...Object.fromEntries(
      Array.from({ length: 17 }, (_, i) => [`n${i}.silent.example.com`, "silent"] as const),
    ),
    "garbage.example.com": "garbage",
    "oldserver.example.com": "FORMERR",
    "ann+list=x 'y'.example.com": { A: ["127.0.0.2"] },
    "half.example.com": { A: ["192.0.2.5"], AAAA: "SERVFAIL" },
    "halfgone.example.com": { A: "SERVFAIL" },
    "cut.example.com": { MX: [...many, "truncate"] },
    "1.2.0.192.in-addr.arpa": { PTR: ["example.com"] },
    "_25._tcp.mx1.example.com": { TLSA: ["3 1 1 00ff"] },
  }, { ttl: 60 });
});
afterAll(() => server.close());

function resolver(more: Partial<ResolverOptions> = {}): Resolver {
  return createResolver({
    servers: [{ host: "127.0.0.1", port: server.port }],
    timeout: 300,
    attempts: 1,
    ...more,
  });
}

test("records, no data, no such name and trouble are told apart", async () => {
  const dns = resolver();
  expect(await dns.mx("example.com")).toMatchObject({
    is: "records",
    records: [{ preference: 20, exchange: "mx2.example.com", ttl: 60 }, { exchange: "mx1.example.com" }],
  });
  expect(await dns.mx("only4.example.com")).toEqual({ is: "nodata", authentic: false });
  expect(await dns.mx("nosuch.example.com")).toEqual({ is: "nxdomain", authentic: false });
  expect(await dns.mx("broken.example.com")).toMatchObject({ is: "trouble", retry: true });
  expect(await dns.mx("refused.example.com")).toMatchObject({ is: "trouble", retry: true });
  expect(await dns.mx("silent.example.com")).toMatchObject({ is: "trouble", retry: true });
  expect(await dns.mx("garbage.example.com")).toMatchObject({ is: "trouble", retry: true });
  expect(await dns.mx("oldserver.example.com")).toMatchObject({ is: "trouble", retry: false });
});

test("a null MX is one record with an empty exchange", async () => {
  expect(await resolver().mx("nullmx.example.com")).toMatchObject({
    records: [{ preference: 0, exchange: "" }],
  });
});

test("CNAME chains are followed, and a dangling one ends as no such name", async () => {
  const answer = await resolver().query("alias.example.com", "A");
  expect(answer).toMatchObject({ is: "records", canonical: "mx1.example.com" });
  expect(await resolver().query("dangling.example.com", "A")).toMatchObject({ is: "nxdomain" });
});

test("addresses() joins the families in the order asked", async () => {
  const answer = await resolver().addresses("mx1.example.com", [6, 4]);
  expect(answer.is === "records" && answer.addresses.map(({ address }) => address)).toEqual([
    "2001:db8::10",
    "192.0.2.10",
    "192.0.2.11",
  ]);
});

test("addresses() lives with one family in trouble, and reports trouble before absence", async () => {
  expect(await resolver().addresses("half.example.com", [4, 6])).toMatchObject({
    addresses: [{ address: "192.0.2.5" }],
  });
  expect(await resolver().addresses("halfgone.example.com", [4, 6])).toMatchObject({
    is: "trouble",
    type: "A",
  });
  expect(await resolver().addresses("nosuch.example.com", [4, 6])).toMatchObject({
    is: "nxdomain",
    type: "AAAA",
  });
});

test("a truncated answer is fetched over TCP", async () => {
  server.asked.length = 0;
  const answer = await resolver().mx("cut.example.com");
  expect(answer.is === "records" && answer.records.length).toBe(60);
  expect(server.asked).toEqual(["udp MX cut.example.com", "tcp MX cut.example.com"]);
});

test("ptr() and tlsa() find their records", async () => {
  expect(await resolver().ptr("192.0.2.1")).toMatchObject({ records: [{ target: "example.com" }] });
  expect(await resolver().tlsa("_25._tcp.mx1.example.com")).toMatchObject({
    records: [{ usage: 3, selector: 1, matchingType: 1, data: Buffer.from([0, 255]) }],
  });
});

test("answers are kept for their time to live, negative ones for the SOA's", async () => {
  let now = 1_000_000;
  const dns = resolver({ now: () => now });
  server.asked.length = 0;
  for (let i = 0; i < 3; i++) await dns.txt("example.com");
  for (let i = 0; i < 3; i++) await dns.txt("nosuch.example.com");
  expect(server.asked.length).toBe(2);
  now += 61_000;
  await dns.txt("example.com");
  await dns.txt("nosuch.example.com");
  expect(server.asked.length).toBe(4);
});

test("the same question at the same time is asked once", async () => {
  const dns = resolver();
  server.asked.length = 0;
  await Promise.all(Array.from({ length: 20 }, () => dns.query("example.com", "A")));
  expect(server.asked).toEqual(["udp A example.com"]);
});

test("a dead server is passed over, and comes last for a while", async () => {
  const dead = await startDnsServer({ "example.com": "silent", "example.net": "silent" });
  const dns = createResolver({
    servers: [{ host: "127.0.0.1", port: dead.port }, { host: "127.0.0.1", port: server.port }],
    timeout: 100,
  });
  expect((await dns.query("example.com", "A")).is).toBe("records");
  dead.asked.length = 0;
  expect((await dns.query("example.com", "TXT")).is).toBe("records");
  expect(dead.asked).toEqual([]);
  await dead.close();
});

test("a refused port fails at once, not after the time-out", async () => {
  const gone = await startDnsServer({});
  await gone.close();
  const dns = createResolver({ servers: [{ host: "127.0.0.1", port: gone.port }], timeout: 60_000 });
  expect(await dns.query("example.com", "A")).toMatchObject({ is: "trouble", retry: true });
});

test("names that cannot exist are not asked for", async () => {
  server.asked.length = 0;
  const dns = resolver();
  for (
    const name of ["", "a..b", "-a.example", "192.0.2.1", "a b", `${"a".repeat(64)}.example`, "ü.example"]
  ) {
    expect(await dns.query(name, "A")).toEqual({ is: "nxdomain", authentic: false, invalid: true });
  }
  expect(server.asked).toEqual([]);
});

test("who wants any name gets it asked, whatever characters its labels have", async () => {
  const dns = resolver();
  const name = "Ann+list=x 'y'.example.com";
  expect(await dns.query(name, "A")).toMatchObject({ is: "nxdomain", invalid: true });
  expect(await dns.query(name, "A", undefined, "any")).toMatchObject({ records: [{ address: "127.0.0.2" }] });
  expect(await dns.query("a/b.example.com", "A", undefined, "any")).toEqual({
    is: "nxdomain",
    authentic: false,
  });
  for (const bad of ["", "a..b", "\0.example", `${"a".repeat(64)}.example`, "ü.example"]) {
    expect(await dns.query(bad, "A", undefined, "any")).toMatchObject({ is: "nxdomain", invalid: true });
  }
});

test("localhost needs no server", async () => {
  const dns = createResolver({ servers: [] });
  expect(await dns.addresses("localhost", [4, 6])).toMatchObject({
    addresses: [{ address: "127.0.0.1" }, { address: "::1" }],
  });
});

test("an aborted caller gets trouble, and others still get the answer", async () => {
  const dns = resolver();
  const stop = new AbortController();
  const given = dns.query("example.com", "NS", stop.signal);
  const kept = dns.query("example.com", "NS");
  stop.abort();
  expect(await given).toMatchObject({ is: "trouble", why: "aborted" });
  expect((await kept).is).toBe("nodata");
});

/** A wire on which the test writes the answers. */
function scriptedWire(respond: (query: Buffer) => Buffer[]): Wire {
  return {
    tcp: connect,
    udp: (to, handler) => {
      void to;
      let open = true;
      return {
        send: (bytes) =>
          queueMicrotask(() => {
            for (const answer of respond(Buffer.from(bytes))) if (open) handler.message(answer);
          }),
        close: () => void (open = false),
      };
    },
  };
}

test("an answer with another id or question is passed over", async () => {
  const good = (query: Buffer) => {
    const answer = Buffer.from(query);
    answer[2]! |= 0x80;
    answer[3] = 0;
    answer[11] = 0;
    return answer.subarray(0, query.length - 11);
  };
  const wire = scriptedWire((query) => {
    const otherId = good(query);
    otherId[1]! ^= 1;
    const otherName = good(query);
    otherName[14]! ^= 1;
    const isQuery = good(query);
    isQuery[2]! &= 0x7f;
    return [otherId, otherName, isQuery, Buffer.alloc(0), good(query)];
  });
  const dns = createResolver({ servers: [{ host: "192.0.2.53", port: 53 }], timeout: 200, wire });
  expect(await dns.query("example.com", "A")).toEqual({ is: "nodata", authentic: false });
});

test("parseResponse() never throws on mutated packets", () => {
  const question = printQuery(0x1234, "example.com", "MX", { edns: true, dnssec: false });
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 20 }),
      (tail, changes) => {
        const bytes = Buffer.concat([question.bytes, tail]);
        bytes[2]! |= 0x80;
        for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
        parseResponse(bytes);
        answersQuestion(bytes, question);
      },
    ),
    { numRuns: 2000 },
  );
});

test("a lookup always ends, whatever the server sends", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 4 }), async (tails) => {
      const wire = scriptedWire((query) =>
        tails.map((tail) => {
          const answer = Buffer.concat([query, tail]);
          answer[2]! |= 0x80;
          answer.set(tail.subarray(0, 10), 2);
          return answer;
        })
      );
      const dns = createResolver({
        servers: [{ host: "192.0.2.53", port: 53 }],
        timeout: 5,
        attempts: 1,
        wire,
      });
      const answer = await dns.query("example.com", "MX");
      expect(["records", "nodata", "nxdomain", "trouble"]).toContain(answer.is);
    }),
    { numRuns: 100 },
  );
});

test("queries past the concurrency limit wait, and past the queue get trouble", async () => {
  const dns = resolver({ concurrency: 1 });
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, i) => dns.query(`n${i}.example.com`, "A")),
  );
  const count = (is: string) => answers.filter((answer) => answer.is === is).length;
  expect(count("nxdomain")).toBe(17);
  expect(count("trouble")).toBe(13);
});

test("a lookup that nobody waits for any more leaves its place to others", async () => {
  const dns = resolver({ concurrency: 1, timeout: 3_600_000 });
  const stop = new AbortController();
  const asked = Array.from({ length: 17 }, (_, i) => dns.query(`n${i}.silent.example.com`, "A", stop.signal));
  const full = await dns.query("silent.example.com", "A");
  expect(full).toMatchObject({ is: "trouble", why: "too many lookups at a time" });
  stop.abort();
  for (const answer of await Promise.all(asked)) expect(answer).toMatchObject({ why: "aborted" });
  expect((await dns.mx("example.com")).is).toBe("records");
  // Nothing of it is kept, and who comes too late is not asked for.
  expect(await dns.query("n0.silent.example.com", "A", stop.signal)).toMatchObject({ why: "aborted" });
  const again = new AbortController();
  const second = dns.query("n0.silent.example.com", "A", again.signal);
  again.abort();
  expect(await second).toMatchObject({ why: "aborted" });
  expect((await dns.mx("only4.example.com")).is).toBe("nodata");
});

test("the system's datagrams reach a server and come back", async () => {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const question = printQuery(7, "example.com", "A", { edns: true, dnssec: false });
  const socket = openDatagrams({ host: "127.0.0.1", port: server.port }, {
    message: resolve,
    error: () => {},
  });
  socket.send(question.bytes);
  expect(answersQuestion(await promise, question)).toBe(true);
  socket.close();
});
