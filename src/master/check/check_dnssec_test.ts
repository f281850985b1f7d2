import { expect, test } from "bun:test";
import { fakeUsers } from "../../../test/kit/memory/config_world.ts";
import { loadConfiguration } from "../../config/load.ts";
import { checkDnssec } from "./check_dnssec.ts";

function findings(settings: Readonly<Record<string, string>>): readonly string[] {
  const main = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`).join("");
  const master = "smtp unix - - n - - smtp\nrelay unix - - n - - smtp\n";
  const loaded = loadConfiguration({
    directory: "/nonexistent",
    texts: { main, master, overrides: [] },
    users: fakeUsers,
  });
  if (loaded.is === "bad") throw new Error(JSON.stringify(loaded.errors));
  return checkDnssec(loaded.configuration).map(({ severity, consequence }) => `${severity}: ${consequence}`);
}

const DANE = { smtp_tls_security_level: "dane", smtp_dns_support_level: "dnssec" } as const;

test("DANE is quiet with a validating resolver on this machine, or one that the operator vouches for", () => {
  expect(findings({})).toEqual([]);
  expect(findings({ ...DANE, dns_servers: "127.0.0.1, [::1]:5353" })).toEqual([]);
  expect(findings({ ...DANE, dns_servers: "192.0.2.53", dns_trust_ad: "yes" })).toEqual([]);
});

test("DANE without validated answers is found, once, with what follows and what to do", () => {
  expect(findings({ ...DANE, dns_servers: "127.0.0.1, 192.0.2.53" })).toEqual([
    "warning: smtp_dns_support_level = dnssec, but the name server 192.0.2.53 is not on this machine, and anybody on the way could " +
    "claim that an answer was validated: smtp does not ask it; see dns_trust_ad",
  ]);
  expect(findings({ ...DANE, dns_servers: "192.0.2.53" })).toEqual([
    "weaker: smtp_dns_support_level = dnssec, but the name server 192.0.2.53 is not on this machine, and anybody on the way could " +
    "claim that an answer was validated: no host has TLSA records here, and DANE protects nothing; run a validating resolver on " +
    '127.0.0.1, or say that the way is safe with dns_trust_ad = yes, or "options trust-ad" in /etc/resolv.conf',
  ]);
  expect(findings({ smtp_tls_security_level: "dane-only" })).toEqual([
    "weaker: smtp_tls_security_level = dane-only needs smtp_dns_support_level = dnssec: mail waits",
  ]);
});
