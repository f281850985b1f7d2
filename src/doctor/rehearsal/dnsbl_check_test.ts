import { expect, test } from "bun:test";
import { memoryDns } from "../../../test/kit/memory/memory_dns.ts";
import type { Zone } from "../../../test/kit/servers/dns_server.ts";
import { checkListed } from "./dnsbl_check.ts";

const NAME = "5.113.0.203.list.example";

test.each<readonly [string, Zone, string]>([
  ["not there", {}, "ok: 203.0.113.5 is not on list.example"],
  [
    "listed",
    { [NAME]: { A: ["127.0.0.2"], TXT: ["see\nhere"] } },
    "problem: 203.0.113.5 is on list.example (127.0.0.2): see?here",
  ],
  [
    "listed without a reason",
    { [NAME]: { A: ["127.0.0.4"] } },
    "problem: 203.0.113.5 is on list.example (127.0.0.4)",
  ],
  [
    "refused",
    { [NAME]: { A: ["127.255.255.254"] } },
    "warning: list.example refuses to answer this resolver (127.255.255.254)",
  ],
  [
    "a domain that was sold",
    { [NAME]: { A: ["192.0.2.1"] } },
    "warning: list.example answers 192.0.2.1, which no list does (RFC 5782 §2.1)",
  ],
  [
    "no answer",
    { [NAME]: "SERVFAIL" },
    "warning: list.example cannot be looked up now: SERVFAIL",
  ],
])("checkListed(): %s", async (_, zone, expected) => {
  const signal = new AbortController().signal;
  const { severity, found } = await checkListed("203.0.113.5", "list.example", memoryDns(zone), signal);
  expect(`${severity}: ${found}`).toBe(expected);
});

test("an IPv6 address is asked about by its nibbles", async () => {
  const name = `${"5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"}.list.example`;
  const signal = new AbortController().signal;
  const zone = { [name]: { A: ["127.0.0.2"] } };
  expect((await checkListed("2001:db8::5", "list.example", memoryDns(zone), signal)).severity).toBe(
    "problem",
  );
});
