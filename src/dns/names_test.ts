import { afterAll, beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { type DnsServer, startDnsServer } from "../../test/kit/servers/dns_server.ts";
import { DnsCache } from "./cache.ts";
import { parseHosts } from "./hosts.ts";
import { canonicalAddress, queryName, reverseName, sameAddress } from "./name.ts";
import { parseResolvConf, parseServer } from "./resolv_conf.ts";
import { createResolver } from "./resolver.ts";
import { createClientLookup } from "./reverse.ts";

const HOSTS = parseHosts(
  "127.0.0.1 localhost loopback # here\n::1 localhost ip6-localhost\n192.0.2.77 listed.example.com\n\nbad line\n",
);

test("reverseName() turns addresses round", () => {
  expect(reverseName("192.0.2.1")).toBe("1.2.0.192.in-addr.arpa");
  expect(reverseName("2001:db8::1")).toBe(
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
  );
  for (const bad of ["", "1.2.3", "256.1.1.1", "1:2", "::1::", "g::", "1:2:3:4:5:6:7:8:9"]) {
    expect(reverseName(bad)).toBeUndefined();
  }
});

test("sameAddress() sees through the spellings of IPv6", () => {
  expect(sameAddress("::1", "0:0:0:0:0:0:0:1")).toBe(true);
  expect(sameAddress("::ffff:192.0.2.1", "::FFFF:C000:0201")).toBe(true);
  expect(sameAddress("192.0.2.1", "::ffff:192.0.2.1")).toBe(true);
  expect(sameAddress("::ffff:192.0.2.1", "192.0.2.1")).toBe(true);
  expect(canonicalAddress("::ffff:192.0.2.1")).toBe("192.0.2.1");
  expect(sameAddress("::1", "::2")).toBe(false);
});

test("queryName() takes what Postfix takes for a host name", () => {
  expect(queryName("Example.COM.")).toBe("example.com");
  expect(queryName("_25._tcp.mx.example")).toBe("_25._tcp.mx.example");
  expect(queryName("host.123")).toBe("host.123");
  for (const bad of ["", ".", "a..b", "a-.b", "-a", "1.2.3.4", "a/b", "a\0b", `${"x.".repeat(127)}y`]) {
    expect(queryName(bad)).toBeUndefined();
  }
});

test("the hosts file works in both directions", () => {
  expect(HOSTS.addresses("LOCALHOST").map(({ address }) => address)).toEqual(["127.0.0.1", "::1"]);
  expect(HOSTS.addresses("loopback").length).toBe(1);
  expect(HOSTS.name("192.0.2.77")).toBe("listed.example.com");
  expect(HOSTS.name("0:0:0:0:0:0:0:1")).toBe("localhost");
  expect(HOSTS.name("192.0.2.78")).toBeUndefined();
});

test("resolv.conf gives servers and options", () => {
  const text = "# c\nnameserver 192.0.2.53\nnameserver ::1\nsearch x\noptions timeout:2 attempts:9 rotate\n";
  expect(parseResolvConf(text)).toEqual({
    servers: [{ host: "192.0.2.53", port: 53 }, { host: "::1", port: 53 }],
    timeout: 2000,
    attempts: 5,
    trustAd: false,
  });
  expect(parseResolvConf("options edns0 trust-ad\n").trustAd).toBe(true);
  expect(parseResolvConf("").servers).toEqual([{ host: "127.0.0.1", port: 53 }]);
});

test("dns_servers items carry ports", () => {
  expect(parseServer("127.0.0.1:5353")).toEqual({ host: "127.0.0.1", port: 5353 });
  expect(parseServer("[::1]:5353")).toEqual({ host: "::1", port: 5353 });
  expect(parseServer("::1")).toEqual({ host: "::1", port: 53 });
  for (const bad of ["", "ns.example.com", "127.0.0.1:0", "127.0.0.1:99999", "[x]:1"]) {
    expect(parseServer(bad)).toBeUndefined();
  }
});

test("the cache keeps to its limit and drops what was not used longest", () => {
  const cache = new DnsCache(2);
  const answer = { is: "nodata", authentic: false } as const;
  cache.set("a", answer, 10, 0);
  cache.set("b", answer, 10, 0);
  expect(cache.get("a", 1)).toBe(answer);
  cache.set("c", answer, 10, 0);
  expect([cache.size, cache.get("b", 1), cache.get("a", 1)]).toEqual([2, undefined, answer]);
  expect(cache.get("a", 10_000)).toBeUndefined();
});

test("parsers of system files never throw", () => {
  fc.assert(fc.property(fc.string({ maxLength: 200 }), (text) => {
    parseHosts(text);
    parseResolvConf(text);
    parseServer(text);
    queryName(text);
    reverseName(text);
  }));
});

let server: DnsServer;
beforeAll(async () => {
  server = await startDnsServer({
    "1.2.0.192.in-addr.arpa": { PTR: ["mail.example.com"] },
    "mail.example.com": { A: ["192.0.2.1"] },
    "2.2.0.192.in-addr.arpa": { PTR: ["forged.example.com"] },
    "forged.example.com": { A: ["192.0.2.99"] },
    "3.2.0.192.in-addr.arpa": { PTR: ["gone.example.com"] },
    "4.2.0.192.in-addr.arpa": { PTR: ["broken.example.com"] },
    "broken.example.com": "SERVFAIL",
    "5.2.0.192.in-addr.arpa": "SERVFAIL",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": { PTR: ["six.example.com"] },
    "six.example.com": { AAAA: ["2001:db8:0:0::1"] },
    "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": { PTR: ["mail.example.com"] },
    "7.2.0.192.in-addr.arpa": { PTR: ["192.0.2.7"] },
    "8.2.0.192.in-addr.arpa": { PTR: ["empty.example.com"] },
    "empty.example.com": { TXT: ["x"] },
  });
});
afterAll(() => server.close());

test("a client's name is what leads back to its address", async () => {
  const resolver = createResolver({
    servers: [{ host: "127.0.0.1", port: server.port }],
    timeout: 500,
    attempts: 1,
  });
  const lookup = createClientLookup({ resolver, hosts: HOSTS });
  const row = async (address: string) => {
    const { name, reverseName: reverse, nameStatus, reverseNameStatus, warning } = await lookup(address);
    return [name, reverse, nameStatus, reverseNameStatus, warning];
  };
  const U = "unknown";
  const w = (host: string, address: string, why: string) =>
    `hostname ${host} does not resolve to address ${address}${why}`;
  expect(await row("192.0.2.1")).toEqual(["mail.example.com", "mail.example.com", 2, 2, undefined]);
  expect(await row("192.0.2.2")).toEqual([
    U,
    "forged.example.com",
    5,
    2,
    w("forged.example.com", "192.0.2.2", ""),
  ]);
  expect(await row("192.0.2.3")).toEqual([
    U,
    "gone.example.com",
    5,
    2,
    w("gone.example.com", "192.0.2.3", ": Name or service not known"),
  ]);
  expect(await row("192.0.2.4")).toEqual([
    U,
    "broken.example.com",
    4,
    2,
    w("broken.example.com", "192.0.2.4", ": Temporary failure in name resolution"),
  ]);
  expect(await row("192.0.2.8")).toEqual([
    U,
    "empty.example.com",
    5,
    2,
    w("empty.example.com", "192.0.2.8", ": No address associated with hostname"),
  ]);
  expect(await row("192.0.2.5")).toEqual([U, U, 4, 4, undefined]);
  expect(await row("192.0.2.6")).toEqual([U, U, 5, 5, undefined]);
  expect(await row("192.0.2.7")).toEqual([U, U, 5, 5, "numeric hostname: 192.0.2.7"]);
  expect(await row("2001:db8::1")).toEqual(["six.example.com", "six.example.com", 2, 2, undefined]);
  expect(await row("2001:db8::2")).toEqual([
    U,
    "mail.example.com",
    5,
    2,
    w("mail.example.com", "2001:db8::2", ": No address associated with hostname"),
  ]);
});

test("a client in the hosts file is known at once, without a server", () => {
  const lookup = createClientLookup({ resolver: createResolver({ servers: [] }), hosts: HOSTS });
  expect(lookup("127.0.0.1")).toEqual({
    name: "localhost",
    reverseName: "localhost",
    nameStatus: 2,
    reverseNameStatus: 2,
  });
});
