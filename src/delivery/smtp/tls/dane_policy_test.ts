import { afterAll, beforeAll, expect, test } from "bun:test";
import { type DnsServer, startDnsServer } from "../../../../test/kit/servers/dns_server.ts";
import { defaultSettings } from "../../../../test/kit/scenes/smtp_delivery.ts";
import { createResolver } from "../../../dns/resolver.ts";
import { clientSettings } from "../client_settings.ts";
import { refineByDane } from "./dane_policy.ts";

let server: DnsServer;

beforeAll(async () => {
  const TLSA = [`3 1 1 ${"00ff".repeat(16)}`];
  server = await startDnsServer({
    "_25._tcp.told.example": { TLSA },
    "_25._tcp.quiet.example": { TLSA },
  }, { authentic: true });
});
afterAll(() => server.close());

test("the records that were found are told of for those servers whose log level asks for it", async () => {
  const settings = defaultSettings({ smtp_dns_support_level: "dnssec" });
  const resolver = createResolver({
    servers: [{ host: "127.0.0.1", port: server.port }],
    trustsAd: () => true,
  });
  const lines: string[] = [];
  const refine = refineByDane(clientSettings("smtp", settings), settings, resolver, {
    now: () => 0,
    warn: () => {},
    note: (text) => lines.push(text),
    tellsRecords: ({ name, address }) => name === "told.example" && address === "192.0.2.1",
  });
  for (const host of ["quiet.example", "told.example"]) {
    const target = {
      host,
      address: "192.0.2.1",
      family: 4,
      preference: 0,
      owner: { canonical: host, authentic: true },
    } as const;
    const mx = undefined;
    const server = { nexthop: host, domain: host, port: 25, host, target, mx };
    expect(await refine({ level: "dane", isGiven: false }, server)).toMatchObject({
      is: { level: "dane" },
      warnings: [],
    });
  }
  expect(lines).toEqual([expect.stringContaining("TLSA record: _25._tcp.told.example: 3 1 1 00FF")]);
});
