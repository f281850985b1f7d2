// What a receiver makes of our names: the exchangers of the domain, the address we come from, HELO.
import { expect, test } from "bun:test";
import { memoryDns } from "../../../test/kit/memory/memory_dns.ts";
import type { Zone } from "../../../test/kit/servers/dns_server.ts";
import { addressesBy, ptrBy } from "../../dns/resolver.ts";
import type { CheckResult } from "../check_result.ts";
import { checkHelo } from "./helo_check.ts";
import { checkMx } from "./mx_check.ts";
import { checkReverse } from "./reverse_check.ts";

/** All questions that these checks ask. */
function dnsOf(zone: Zone) {
  const dns = memoryDns(zone);
  return {
    mx: (name: string) => dns.query(name, "MX"),
    ptr: (address: string) => ptrBy(dns, address),
    addresses: (name: string) => addressesBy(dns, name, [4, 6]),
  };
}

const lines = (results: readonly CheckResult[]) =>
  results.map(({ severity, found, record }) =>
    `${severity}: ${found}${record === undefined ? "" : ` | ${record}`}`
  );

async function mx(zone: Zone, domain = "example.com") {
  const dns = dnsOf(zone);
  const answer = await dns.mx(domain);
  const exchangers = answer.is === "records" ? answer.records.map(({ exchange }) => exchange) : [];
  return lines(checkMx({
    domain,
    mx: answer,
    own: answer.is === "nodata" ? await dns.addresses(domain) : undefined,
    hosts: await Promise.all(
      exchangers.map(async (host) => ({ host, addresses: await dns.addresses(host) })),
    ),
    myhostname: "mail.example.com",
  }));
}

const MAIL = { "mail.example.com": { A: ["203.0.113.5"] } };
const RECORD = " | example.com. MX 10 mail.example.com.";

test("MX: a domain that is answered", async () => {
  expect(await mx({ ...MAIL, "example.com": { MX: ["10 mail.example.com"] } }))
    .toEqual(["ok: example.com is answered at mail.example.com"]);
});

test.each<readonly [string, Zone, string]>([
  ["no such domain", {}, `problem: example.com does not exist${RECORD}`],
  [
    "no address either",
    { "example.com": {} },
    `problem: example.com has neither an MX nor an address: nobody can answer${RECORD}`,
  ],
  [
    "an address alone",
    { "example.com": { A: ["203.0.113.5"] } },
    `warning: example.com has no MX; answers go to its own address${RECORD}`,
  ],
  [
    "null MX",
    { "example.com": { MX: ["0 "] } },
    `problem: example.com says that it takes no mail (null MX): mail from it is refused${RECORD}`,
  ],
  [
    "a host without address",
    { "example.com": { MX: ["10 gone.example"] } },
    "problem: gone.example, an MX of example.com, has no address",
  ],
  [
    "one of two",
    { ...MAIL, "example.com": { MX: ["10 gone.example", "20 mail.example.com"] } },
    "warning: gone.example, an MX of example.com, has no address",
  ],
  [
    "no answer",
    { "example.com": "SERVFAIL" },
    "warning: MX of example.com cannot be looked up now: SERVFAIL",
  ],
])("MX: %s", async (_, zone, expected) => expect(await mx(zone)).toEqual([expected]));

async function reverse(zone: Zone, address = "203.0.113.5") {
  const dns = dnsOf(zone);
  const ptr = await dns.ptr(address);
  const targets = ptr.is === "records" ? ptr.records.map(({ target }) => target) : [];
  const names = await Promise.all(
    targets.map(async (name) => ({ name, addresses: await dns.addresses(name) })),
  );
  return lines(checkReverse({ address, ptr, names, helo: "mail.example.com" }));
}

const PTR = "5.113.0.203.in-addr.arpa";
const POINTER = ` | ${PTR}. PTR mail.example.com.`;

test.each<readonly [string, Zone, string]>([
  [
    "a name that leads back",
    { ...MAIL, [PTR]: { PTR: ["mail.example.com"] } },
    "ok: 203.0.113.5 is mail.example.com, and back",
  ],
  ["none", {}, `problem: 203.0.113.5 has no name (PTR)${POINTER}`],
  [
    "one that leads elsewhere",
    { ...MAIL, [PTR]: { PTR: ["other.example"] }, "other.example": { A: ["192.0.2.1"] } },
    "problem: 203.0.113.5 is other.example, and that name does not lead back | other.example. A 203.0.113.5",
  ],
  [
    "made of the address",
    { [PTR]: { PTR: ["203-0-113-5.isp.example"] }, "203-0-113-5.isp.example": { A: ["203.0.113.5"] } },
    `warning: 203.0.113.5 is 203-0-113-5.isp.example, a name as dial-up lines have it: many refuse those${POINTER}`,
  ],
  [
    "of a pool",
    { [PTR]: { PTR: ["a.dyn.isp.example"] }, "a.dyn.isp.example": { A: ["203.0.113.5"] } },
    `warning: 203.0.113.5 is a.dyn.isp.example, a name as dial-up lines have it: many refuse those${POINTER}`,
  ],
  [
    "no answer",
    { [PTR]: "SERVFAIL" },
    "warning: the name of 203.0.113.5 cannot be looked up now: SERVFAIL",
  ],
])("PTR: %s", async (_, zone, expected) => expect(await reverse(zone)).toEqual([expected]));

async function helo(zone: Zone, name = "mail.example.com", seen = ["203.0.113.5"]) {
  return lines(checkHelo({ helo: name, addresses: await dnsOf(zone).addresses(name), seen }));
}

test("HELO: a name that leads to where we come from", async () => {
  expect(await helo(MAIL)).toEqual(["ok: mail.example.com leads to 203.0.113.5"]);
  expect(await helo(MAIL, "mail.example.com", [])).toEqual(["ok: mail.example.com has an address"]);
});

test("HELO: one that does not, or leads nowhere, or is none", async () => {
  expect(await helo(MAIL, "mail.example.com", ["203.0.113.5", "2001:db8::5"])).toEqual([
    "warning: mail.example.com does not lead to 2001:db8::5, where receivers see us | mail.example.com. AAAA 2001:db8::5",
  ]);
  expect(await helo({})).toEqual([
    "problem: mail.example.com has no address | mail.example.com. A 203.0.113.5",
  ]);
  expect(await helo({}, "mail")).toEqual(["problem: mail is no full host name"]);
});
