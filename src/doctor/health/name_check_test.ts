import { expect, test } from "bun:test";
import type { AddressAnswer, DnsAnswer } from "../../dns/answer.ts";
import { checkName, type NameFacts } from "./name_check.ts";

const address = "203.0.113.5";
const addresses: AddressAnswer = {
  is: "records",
  addresses: [{ address, family: 4, ttl: 60 }],
  authentic: false,
};
const ptr = (target: string): DnsAnswer<"PTR"> => ({
  is: "records",
  records: [{ type: "PTR", name: "x", ttl: 60, target }],
  canonical: "x",
  authentic: false,
});
const name = "mail.example.com";
const good: NameFacts = {
  parameter: "myhostname",
  lookup: { name, addresses, reverse: [{ address, ptr: ptr("Mail.example.com") }] },
  own: ["127.0.0.1", "10.0.0.2", address],
  relayed: false,
};

function told(facts: Partial<NameFacts>, lookup: Partial<NameFacts["lookup"]> = {}) {
  return checkName({ ...good, ...facts, lookup: { ...good.lookup, ...lookup } })
    .map(({ severity, found, record = "" }) => [severity, found, record]);
}

test("a name that leads to us and back is right, behind a router of private addresses too", () => {
  const well = [["ok", "myhostname = mail.example.com leads to 203.0.113.5 and back", ""]];
  expect(told({})).toEqual(well);
  expect(told({ own: ["10.0.0.2"] })).toEqual(well);
});

test.each(["mail", "mail.local", "host.lan", "localhost.localdomain"])("%s is no name for others", (word) => {
  expect(told({}, { name: word })[0]!.slice(0, 2))
    .toEqual(["problem", `myhostname = ${word} is no name that others can look up`]);
});

test("without an address the one of this machine is to be published", () => {
  expect(told({}, { addresses: { is: "nxdomain", authentic: false, type: "AAAA" }, reverse: [] })).toEqual([
    ["problem", "myhostname = mail.example.com does not exist", "mail.example.com. A 203.0.113.5"],
  ]);
});

test("without a name of the address its provider has to publish it", () => {
  const reverse = [{ address, ptr: { is: "nxdomain", authentic: false } as const }];
  expect(told({}, { reverse })).toEqual([[
    "problem",
    "203.0.113.5 leads back to no name (PTR): large receivers refuse mail from there",
    "5.113.0.203.in-addr.arpa. PTR mail.example.com.",
  ]]);
  expect(told({ relayed: true }, { reverse })[0]![0]).toBe("warning");
});

test("another name of the address, and another machine's address, are told", () => {
  const other = told({}, { reverse: [{ address, ptr: ptr("host-5.provider.example") }] });
  expect(other[0]![1]).toBe("203.0.113.5 leads back to host-5.provider.example, not to mail.example.com");
  expect(told({ own: ["198.51.100.1"] })[0]![1]).toContain("which is not of this machine (198.51.100.1)");
});

test("a private address and a failing name server are no answer", () => {
  const inside: AddressAnswer = { ...addresses, addresses: [{ address: "127.0.1.1", family: 4, ttl: 60 }] };
  expect(told({}, { addresses: inside, reverse: [] })[0]!.slice(0, 2))
    .toEqual(["problem", "myhostname = mail.example.com leads to 127.0.1.1, where nobody else comes"]);
  const trouble: AddressAnswer = { is: "trouble", why: "timed out", retry: true, type: "A" };
  expect(told({}, { addresses: trouble, reverse: [] }))
    .toEqual([["warning", "myhostname = mail.example.com cannot be looked up now: timed out", ""]]);
});
