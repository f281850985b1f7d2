import { expect, test } from "bun:test";
import { fakeUsers } from "../../../test/kit/memory/config_world.ts";
import { memoryLog } from "../../../test/kit/memory/memory_log.ts";
import { startDnsServer } from "../../../test/kit/servers/dns_server.ts";
import { loadConfiguration } from "../../config/load.ts";
import { createValidatedResolver } from "../../dns/system_resolver.ts";
import type { AssemblyContext } from "../assembly.ts";
import { warnOfDnssec } from "./dnssec_warnings.ts";

/** What the start of a worker says with these lines, where the name server validates or not. */
async function said(validates: boolean, main: string, index = 0): Promise<readonly string[]> {
  const server = await startDnsServer({ "signed.example": { NS: ["ns.signed.example"] } }, {
    authentic: validates,
  });
  const loaded = loadConfiguration({
    directory: "/nonexistent",
    texts: { main, master: "smtp unix - - n - - smtp\n", overrides: [] },
    users: fakeUsers,
  });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  const log = memoryLog();
  const context = { configuration: loaded.configuration, index, logFor: () => log } as Partial<
    AssemblyContext
  >;
  const resolver = createValidatedResolver({ servers: [server.address], trustAd: false });
  await warnOfDnssec(context as AssemblyContext, { validatedResolver: () => resolver });
  await server.close();
  return log.lines;
}

const WANTED = "smtp_dns_support_level = dnssec\ndnssec_probe = ns:signed.example\n";

test("the start says, once for all workers, that nobody validates answers where a client wants that", async () => {
  expect(await said(false, WANTED)).toEqual([
    "smtp: warning: DNSSEC validation may be unavailable",
    "smtp: warning: reason: dnssec_probe 'ns:signed.example' received a response that is not DNSSEC validated",
  ]);
  expect(await said(false, WANTED, 1)).toEqual([]);
  expect(await said(true, WANTED)).toEqual([]);
});

test("nothing is asked where no client wants it, or no probe is set; a probe that is none is told", async () => {
  expect(await said(false, "dnssec_probe = ns:signed.example\n")).toEqual([]);
  expect(await said(false, "smtp_dns_support_level = dnssec\ndnssec_probe =\n")).toEqual([]);
  expect(await said(false, "smtp_dns_support_level = dnssec\ndnssec_probe = nonsense\n")).toEqual([
    "smtp: warning: malformed dnssec_probe value: nonsense format is qtype:qname",
  ]);
});
