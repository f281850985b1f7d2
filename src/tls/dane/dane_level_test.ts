import { afterAll, beforeAll, expect, test } from "bun:test";
import { type DnsServer, startDnsServer } from "../../../test/kit/servers/dns_server.ts";
import { createResolver, type Resolver } from "../../dns/resolver.ts";
import { type DaneContext, daneLevel, type DaneSubject } from "./dane_level.ts";

let server: DnsServer;
let resolver: Resolver;

beforeAll(async () => {
  const A = ["192.0.2.1"];
  server = await startDnsServer({
    "good.example": { A },
    "_25._tcp.good.example": { TLSA: ["3 1 1 00ff", "1 1 1 aaaa"] },
    "pkix.example": { A },
    "_25._tcp.pkix.example": { TLSA: ["0 1 1 00ff"] },
    "none.example": { A },
    "bogus.example": { A },
    "_25._tcp.bogus.example": "SERVFAIL",
  }, { authentic: true });
  resolver = createResolver({ servers: [{ host: "127.0.0.1", port: server.port }], trustsAd: () => true });
});
afterAll(() => server.close());

const MX = { name: "example.com", canonical: "canonical.example.com", authentic: true };
const INSECURE_MX = { ...MX, authentic: false };

/** The outcome in a line: level with base and names, or the failure; then the warnings. */
async function outcome(
  level: "dane" | "dane-only",
  host: string,
  more: Partial<DaneSubject> & Partial<DaneContext> = {},
): Promise<string | readonly string[]> {
  const { found, warnings } = await daneLevel(
    level,
    {
      nexthop: "example.com",
      host,
      port: 25,
      owner: { canonical: host, authentic: true },
      mx: undefined,
      ...more,
    },
    { resolver, dnssec: true, ignoresMxErrors: false, insecureMx: "dane", forceTlsa: false, ...more },
  );
  const text = found.is === "dane"
    ? `${found.level} ${found.base} for ${found.names.join(" ")}, ${found.records.length} records`
    : found.is === "fault"
    ? `${found.fault.status} ${found.fault.text}`
    : found.level;
  return warnings.length === 0 ? text : [text, ...warnings];
}

const UNSUPPORTED = "_25._tcp.good.example unsupported TLSA certificate usage: 1 1 1 AAAA";
const BOGUS = "DANE TLSA lookup problem: Host or domain name not found. " +
  "Name service error for name=_25._tcp.bogus.example type=TLSA: Host not found, try again";

test("usable records make it a level that verifies, for base domain and next hop", async () => {
  expect(await outcome("dane", "good.example")).toEqual([
    "dane good.example for good.example, 1 records",
    UNSUPPORTED,
  ]);
  expect(await outcome("dane-only", "good.example", { mx: MX })).toEqual([
    "dane-only good.example for good.example canonical.example.com example.com, 1 records",
    UNSUPPORTED,
  ]);
});

test("without records dane is may, and with none that is usable encrypt; dane-only lets mail wait", async () => {
  expect(await outcome("dane", "none.example")).toBe("may");
  expect(await outcome("dane-only", "none.example")).toBe("4.7.5 no TLSA records found");
  expect(await outcome("dane", "192.0.2.1", { owner: undefined })).toBe("may");
  const warning = "_25._tcp.pkix.example unsupported TLSA certificate usage: 0 1 1 00FF";
  expect(await outcome("dane", "pkix.example")).toEqual(["encrypt", warning]);
  expect(await outcome("dane-only", "pkix.example")).toEqual(["4.7.5 TLSA records unusable", warning]);
});

test("records that cannot be looked up let mail wait at either level", async () => {
  for (const level of ["dane", "dane-only"] as const) {
    expect(await outcome(level, "bogus.example")).toEqual([
      "4.7.5 TLSA lookup error for bogus.example:25",
      BOGUS,
    ]);
  }
});

test("an MX record that is not validated is treated as smtp_tls_dane_insecure_mx_policy says", async () => {
  const with_ = (insecureMx: DaneContext["insecureMx"]) => ({ mx: INSECURE_MX, insecureMx });
  expect(await outcome("dane", "good.example", with_("may"))).toBe("may");
  expect(await outcome("dane", "good.example", with_("encrypt"))).toEqual(["encrypt", UNSUPPORTED]);
  expect(await outcome("dane", "good.example", with_("dane"))).toEqual([
    "halfdane good.example for good.example canonical.example.com example.com, 1 records",
    UNSUPPORTED,
  ]);
  expect(await outcome("dane", "none.example", with_("dane"))).toBe("may");
  expect(await outcome("dane-only", "good.example", with_("dane"))).toBe("4.7.5 non DNSSEC destination");
});

test("a configuration in which DANE cannot work is warned of; dane becomes may, dane-only waits", async () => {
  const rows = [
    [{ dnssec: false }, "configured with dnssec lookups disabled"],
    [{ ignoresMxErrors: true }, "configured with MX lookup errors ignored"],
  ] as const;
  for (const [more, why] of rows) {
    expect(await outcome("dane", "good.example", more)).toEqual(["may", `example.com: dane ${why}`]);
    expect(await outcome("dane-only", "good.example", more)).toEqual([
      "4.7.5 client TLS configuration problem",
      `example.com: dane-only ${why}`,
    ]);
  }
  expect(await outcome("dane", "/socket", { port: 0 })).toEqual([
    "4.7.5 client TLS configuration problem",
    'example.com: the "dane" security level is invalid for delivery via unix-domain sockets',
  ]);
});
