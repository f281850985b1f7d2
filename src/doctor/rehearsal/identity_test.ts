// SPF, DKIM and DMARC of our own mail, with the records that are missing.
import { expect, test } from "bun:test";
import fc from "fast-check";
import { fakeClock } from "../../../test/kit/memory/fake_clock.ts";
import { memoryDns } from "../../../test/kit/memory/memory_dns.ts";
import type { Zone } from "../../../test/kit/servers/dns_server.ts";
import type { KeyReport } from "../../cleanup/signing/key_report.ts";
import { checkSpf } from "../../mailauth/spf/check_spf.ts";
import type { DkimFacts } from "./dkim_check.ts";
import { checkIdentity, type Identity } from "./identity.ts";
import { newSpf, spfWith } from "./spf_edit.ts";

const KEY: KeyReport = {
  domain: "example.com",
  selector: "s1",
  file: "/key.pem",
  name: "s1._domainkey.example.com",
  record: "v=DKIM1; k=rsa; p=MIIB",
  algorithm: "rsa-sha256",
  bits: 2048,
  published: "published",
  problems: [],
};

const keys = (...reports: readonly Partial<KeyReport>[]): DkimFacts["keys"] => ({
  is: "keys",
  reports: reports.map((each) => ({ ...KEY, ...each })),
});

const SPF = "v=spf1 ip4:203.0.113.5 -all";
const GOOD: Zone = {
  "example.com": { TXT: ["other", SPF] },
  "_dmarc.example.com": { TXT: ["v=DMARC1; p=reject"] },
};

async function told(zone: Zone, more: Partial<Identity> = {}, dkim: Partial<DkimFacts> = {}) {
  const identity: Identity = {
    sender: "ann@example.com",
    domain: "example.com",
    helo: "mail.example.com",
    seen: ["203.0.113.5"],
    dkim: { domain: "example.com", keys: keys({}), hasFilters: false, ...dkim },
    bulk: false,
    ...more,
  };
  const signal = new AbortController().signal;
  const results = await checkIdentity(identity, { resolver: memoryDns(zone), clock: fakeClock(), signal });
  return results.map(({ severity, check, found, record }) =>
    `${severity} ${check}: ${found}${record === undefined ? "" : ` | ${record}`}`
  );
}

test("a domain whose mail passes", async () => {
  expect(await told(GOOD)).toEqual([
    "ok SPF: 203.0.113.5 may send mail of example.com (ip4:203.0.113.5)",
    "ok DKIM: s1._domainkey.example.com has the key that signs (rsa-sha256, 2048 bits)",
    "ok DMARC: mail passes (p=reject) by SPF and DKIM",
  ]);
});

const withSpf = (...texts: string[]): Zone => ({ ...GOOD, "example.com": { TXT: texts } });

test.each<readonly [string, Zone, string]>([
  [
    "none",
    withSpf(),
    'problem SPF: example.com has no SPF record | example.com. TXT "v=spf1 ip4:203.0.113.5 -all"',
  ],
  [
    "two",
    withSpf(SPF, "v=spf1 -all"),
    "problem SPF: example.com has 2 SPF records, so that none counts (RFC 7208 §4.5)",
  ],
  [
    "without us",
    withSpf("v=spf1 ip4:192.0.2.1 ~all"),
    'problem SPF: 203.0.113.5 may not send mail of example.com: softfail (~all) | example.com. TXT "v=spf1 ip4:192.0.2.1 ip4:203.0.113.5 ~all"',
  ],
  [
    "for everybody",
    withSpf("v=spf1 +all"),
    'problem SPF: example.com lets everybody send its mail (+all): receivers trust that less than nothing | example.com. TXT "v=spf1 ip4:203.0.113.5 -all"',
  ],
  [
    "broken",
    withSpf("v=spf1 ip4:nonsense -all"),
    'problem SPF: "v=spf1 ip4:nonsense -all" cannot be followed: ',
  ],
  [
    "no answer",
    { ...GOOD, "example.com": "SERVFAIL" },
    "warning SPF: the record of example.com cannot be looked up now: ",
  ],
])("SPF: %s", async (_, zone, expected) => expect((await told(zone))[0]).toStartWith(expected));

test("SPF of each address, and of none that is known", async () => {
  const [own, other] = await told(GOOD, { seen: ["203.0.113.5", "2001:db8::5"] });
  expect(own).toStartWith("ok SPF: 203.0.113.5");
  expect(other).toBe(
    'problem SPF: 2001:db8::5 may not send mail of example.com: fail (-all) | example.com. TXT "v=spf1 ip4:203.0.113.5 ip6:2001:db8::5 -all"',
  );
  expect(await told(GOOD, { seen: [] })).toEqual([
    `warning SPF: whether "${SPF}" has the address that receivers see cannot be told`,
    expect.stringMatching(/^ok DKIM/) as unknown as string,
    "ok DMARC: mail passes (p=reject) by DKIM",
  ]);
});

test("SPF of the name in HELO counts for notices, where it has a record", async () => {
  expect(await told({ ...GOOD, "mail.example.com": { TXT: ["v=spf1 -all"] } })).toContain(
    "problem SPF: notices of failed mail are refused: mail.example.com, the name in HELO, does not let 203.0.113.5 (fail) send" +
      ' | mail.example.com. TXT "v=spf1 ip4:203.0.113.5 -all"',
  );
  expect(await told({ ...GOOD, "mail.example.com": { TXT: ["v=spf1 ip4:203.0.113.5 -all"] } })).toHaveLength(
    3,
  );
});

test("DKIM: off, no key for the domain, a table that fails", async () => {
  const dkim = async (more: Partial<DkimFacts>) => (await told(GOOD, {}, more))[1];
  expect(await dkim({ keys: { is: "off" } })).toBe(
    "problem DKIM: no mail is signed (dkim_signing_keys is empty)",
  );
  expect(await dkim({ keys: { is: "off" }, hasFilters: true })).toStartWith(
    "warning DKIM: no mail is signed here",
  );
  expect(await dkim({ keys: { is: "absent" } })).toContain("dkim_signing_keys has no entry for it");
  expect(await dkim({ keys: { is: "trouble", why: "timed out" } })).toContain(
    "waits, as its key cannot be found: timed out",
  );
});

test("DKIM: a key that nobody finds has its record; one that is weak is told of", async () => {
  const missing = keys({
    published: "missing",
    problems: [{ grave: true, text: "nobody finds it", fix: "publish" }],
  });
  expect((await told(GOOD, {}, { keys: missing })).slice(1)).toEqual([
    'problem DKIM: nobody finds it | s1._domainkey.example.com. TXT "v=DKIM1; k=rsa; p=MIIB"',
    "warning DMARC: mail passes (p=reject) by SPF alone: what is forwarded fails",
  ]);
  const weak = keys({ bits: 1024, problems: [{ grave: false, text: "1024 bits", fix: "make another" }] });
  expect((await told(GOOD, {}, { keys: weak }))[1]).toBe("warning DKIM: 1024 bits");
});

test("DKIM: Ed25519 alone is a warning, beside RSA it is right", async () => {
  const ed: Partial<KeyReport> = { algorithm: "ed25519-sha256", bits: 256, name: "e._domainkey.example.com" };
  expect((await told(GOOD, {}, { keys: keys(ed) })).slice(1, 3)).toEqual([
    "ok DKIM: e._domainkey.example.com has the key that signs (ed25519-sha256, 256 bits)",
    "warning DKIM: mail is signed with Ed25519 alone, which large receivers do not check",
  ]);
  expect((await told(GOOD, {}, { keys: keys(ed, {}) })).filter((line) => line.startsWith("warning"))).toEqual(
    [],
  );
});

test("DMARC: none, two, one that nobody can follow", async () => {
  const dmarc = async (zone: Zone, more: Partial<Identity> = {}) =>
    (await told({ ...GOOD, ...zone }, more)).at(-1)!;
  const record = '_dmarc.example.com. TXT "v=DMARC1; p=none; rua=mailto:postmaster@example.com"';
  expect(await dmarc({ "_dmarc.example.com": {} })).toBe(
    `warning DMARC: example.com has no DMARC record: large receivers demand one of whoever sends much | ${record}`,
  );
  expect(await dmarc({ "_dmarc.example.com": {} }, { bulk: true })).toStartWith("problem DMARC: ");
  expect(await dmarc({ "_dmarc.example.com": { TXT: ["v=DMARC1; p=none", "v=DMARC1; p=reject"] } }))
    .toBe("problem DMARC: _dmarc.example.com has 2 records, so that none counts");
  expect(await dmarc({ "_dmarc.example.com": { TXT: ["v=DMARC1; p=nonsense"] } })).toStartWith(
    "problem DMARC: the record of",
  );
  expect(await dmarc({ "_dmarc.example.com": "SERVFAIL" })).toStartWith(
    "warning DMARC: example.com cannot be judged now",
  );
});

test("DMARC: mail that neither SPF nor a signature speaks for", async () => {
  const zone = { ...GOOD, "example.com": { TXT: ["v=spf1 -all"] } };
  expect((await told(zone, {}, { keys: { is: "off" } })).at(-1))
    .toBe("problem DMARC: mail is refused (p=reject): neither SPF nor a signature is for the domain");
  expect((await told(GOOD, { seen: [] }, { keys: { is: "off" } })).at(-1)).toStartWith(
    "warning DMARC: mail is refused",
  );
});

test("DMARC: a place for reports that is not the domain's has to say that it takes them", async () => {
  const place = "example.com._report._dmarc.reports.example";
  const zone: Zone = {
    ...GOOD,
    "_dmarc.example.com": { TXT: ["v=DMARC1; p=reject; rua=mailto:d@reports.example, mailto:d@example.com"] },
  };
  expect((await told(zone)).at(-1)).toBe(
    `warning DMARC: nobody sends reports to d@reports.example: ${place} does not say that reports are welcome | ${place}. TXT "v=DMARC1;"`,
  );
  expect((await told({ ...zone, [place]: { TXT: ["v=DMARC1;"] } })).at(-1)).toStartWith("ok DMARC");
});

test("a subdomain passes by its parent's policy and key", async () => {
  const zone = { ...GOOD, "news.example.com": { TXT: [SPF] } };
  expect((await told(zone, { sender: "a@news.example.com", domain: "news.example.com" })).at(-1))
    .toBe("ok DMARC: mail passes (p=reject of example.com) by SPF and DKIM");
});

test("spfWith() and newSpf() make records that let the addresses pass, whatever the record was", async () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  const rest = fc.constantFrom(
    "-all",
    "~all",
    "",
    "a -all",
    "ip4:192.0.2.1 ?all exp=e.example.com",
    "redirect=r.example.com",
  );
  await fc.assert(fc.asyncProperty(address, rest, async (ip, terms) => {
    for (const text of [spfWith(`v=spf1 ${terms}`, [ip]), newSpf([ip])]) {
      const resolver = memoryDns({ "example.com": { TXT: [text] } });
      const query = { ip, helo: "h.example", sender: "a@example.com", receiver: "r.example" };
      expect((await checkSpf(query, { resolver, clock: fakeClock() })).is).toBe("pass");
    }
  }));
});
