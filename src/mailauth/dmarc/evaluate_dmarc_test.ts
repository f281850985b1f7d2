import { expect, test } from "bun:test";
import { type TextZone, textZone } from "../../../test/kit/memory/text_zone.ts";
import { evaluateDmarc } from "./evaluate_dmarc.ts";
import { walkOf } from "./tree_walk.ts";

/** A message: whom it says it is from, and whom SPF and DKIM speak for; `!` in front: temperror. */
interface Case {
  readonly claim: string;
  readonly zone: TextZone;
  readonly from: string;
  readonly spf?: string;
  readonly dkim?: string;
  readonly want: Record<string, unknown>;
}

const REJECT = { "_dmarc.example.com": ["v=DMARC1; p=reject"] };
const LOST = { is: "fail", policy: "reject" };
const DEEP = "a.b.c.d.e.f.g.h.i.j.k.example.com";
const BANK = {
  "_dmarc.bank.example": ["v=DMARC1; p=reject; psd=y"],
  "_dmarc.giant.bank.example": ["v=DMARC1; p=quarantine"],
};

const CASES: readonly Case[] = [
  { claim: "no record, no result", zone: {}, from: "example.com", spf: "example.com", want: { is: "none" } },
  {
    claim: "SPF of the same domain",
    zone: REJECT,
    from: "example.com",
    spf: "example.com",
    want: { is: "pass", spfAligned: true },
  },
  {
    claim: "DKIM of the same domain",
    zone: REJECT,
    from: "example.com",
    dkim: "example.com",
    want: { is: "pass", dkimAligned: true },
  },
  {
    claim: "one signature of several",
    zone: REJECT,
    from: "example.com",
    dkim: "list.example.org example.com",
    want: { is: "pass" },
  },
  {
    claim: "nobody speaks for it",
    zone: REJECT,
    from: "example.com",
    want: { ...LOST, source: "p", policyDomain: "example.com" },
  },
  {
    claim: "somebody else speaks",
    zone: REJECT,
    from: "example.com",
    spf: "evil.example",
    dkim: "evil.example",
    want: LOST,
  },
  {
    claim: "a name that only ends alike",
    zone: REJECT,
    from: "example.com",
    dkim: "evilexample.com",
    want: LOST,
  },
  // Relaxed and strict.
  {
    claim: "relaxed: a subdomain signs",
    zone: REJECT,
    from: "example.com",
    dkim: "mail.example.com",
    want: { is: "pass", organizational: "example.com" },
  },
  {
    claim: "relaxed: the parent signs for a subdomain",
    zone: REJECT,
    from: "mail.example.com",
    dkim: "example.com",
    want: { is: "pass", policyDomain: "example.com" },
  },
  {
    claim: "relaxed: a sibling signs",
    zone: REJECT,
    from: "a.example.com",
    spf: "b.example.com",
    want: { is: "pass" },
  },
  {
    claim: "strict DKIM",
    zone: { "_dmarc.example.com": ["v=DMARC1; p=reject; adkim=s"] },
    from: "example.com",
    dkim: "mail.example.com",
    want: LOST,
  },
  {
    claim: "strict DKIM says nothing of SPF",
    zone: { "_dmarc.example.com": ["v=DMARC1; p=reject; adkim=s"] },
    from: "example.com",
    spf: "mail.example.com",
    want: { is: "pass" },
  },
  {
    claim: "strict SPF",
    zone: { "_dmarc.example.com": ["v=DMARC1; p=reject; aspf=s"] },
    from: "example.com",
    spf: "mail.example.com",
    want: LOST,
  },
  // Policies of subdomains.
  {
    claim: "sp of an existing subdomain",
    zone: {
      "_dmarc.example.com": ["v=DMARC1; p=reject; sp=quarantine; np=none"],
      "sub.example.com": "nodata",
    },
    from: "sub.example.com",
    want: { is: "fail", policy: "quarantine", source: "sp" },
  },
  {
    claim: "np of one that does not exist",
    zone: { "_dmarc.example.com": ["v=DMARC1; p=none; sp=none; np=reject"] },
    from: "sub.example.com",
    want: { is: "fail", policy: "reject", source: "np" },
  },
  {
    claim: "whether it exists cannot be told",
    zone: { "_dmarc.example.com": ["v=DMARC1; p=none; np=reject"], "sub.example.com": "trouble" },
    from: "sub.example.com",
    want: { is: "temperror", policy: "none" },
  },
  {
    claim: "sp is not for the domain itself",
    zone: { "_dmarc.example.com": ["v=DMARC1; p=none; sp=reject"] },
    from: "example.com",
    want: { is: "fail", policy: "none", source: "p" },
  },
  {
    claim: "a subdomain's own record",
    zone: { ...REJECT, "_dmarc.sub.example.com": ["v=DMARC1; p=none"] },
    from: "sub.example.com",
    want: { is: "fail", policy: "none", policyDomain: "sub.example.com" },
  },
  {
    claim: "a record halfway up is not the organization's",
    zone: { "_dmarc.example.com": ["v=DMARC1; p=none"], "_dmarc.b.example.com": ["v=DMARC1; p=reject"] },
    from: "a.b.example.com",
    want: { is: "fail", policy: "none", policyDomain: "example.com" },
  },
  {
    claim: "t=y takes a step off",
    zone: { "_dmarc.example.com": ["v=DMARC1; p=reject; t=y"] },
    from: "example.com",
    want: { is: "fail", policy: "quarantine" },
  },
  // psd.
  {
    claim: "psd=n is the organization",
    zone: { ...REJECT, "_dmarc.a.example.com": ["v=DMARC1; p=none; psd=n"] },
    from: "x.a.example.com",
    dkim: "a.example.com",
    want: { is: "pass", organizational: "a.example.com" },
  },
  {
    claim: "psd=n ends the organization below",
    zone: { ...REJECT, "_dmarc.a.example.com": ["v=DMARC1; p=reject; psd=n"] },
    from: "x.a.example.com",
    dkim: "example.com",
    want: LOST,
  },
  {
    claim: "RFC 9989 B.4.3: SPF below the same registrant",
    zone: BANK,
    from: "giant.bank.example",
    spf: "mail.giant.bank.example",
    want: { is: "pass", organizational: "giant.bank.example" },
  },
  {
    claim: "RFC 9989 B.4.3: DKIM of another registrant",
    zone: BANK,
    from: "giant.bank.example",
    dkim: "mail.mega.bank.example",
    want: { is: "fail", policy: "quarantine" },
  },
  {
    claim: "the registry's record where there is no other",
    zone: BANK,
    from: "mega.bank.example",
    want: { ...LOST, policyDomain: "bank.example" },
  },
  {
    claim: "the registry itself writes",
    zone: BANK,
    from: "bank.example",
    dkim: "bank.example",
    want: { is: "pass" },
  },
  {
    claim: "a registry signs for nobody below it",
    zone: BANK,
    from: "mega.bank.example",
    dkim: "bank.example",
    want: LOST,
  },
  {
    claim: "a top-level domain that does not say what it is",
    zone: { "_dmarc.com": ["v=DMARC1; p=reject"] },
    from: "example.com",
    dkim: "evil.com",
    want: LOST,
  },
  {
    claim: "a top-level domain of one organization",
    zone: { "_dmarc.brand": ["v=DMARC1; p=reject; psd=n"] },
    from: "mail.brand",
    dkim: "post.brand",
    want: { is: "pass" },
  },
  // RFC 9989 appendix B.4.1, B.4.2.
  {
    claim: "records at several heights",
    zone: { ...REJECT, "_dmarc.signing.example.com": ["v=DMARC1; p=none"] },
    from: "example.com",
    dkim: "signing.example.com",
    want: { is: "pass", organizational: "example.com" },
  },
  {
    claim: "many labels",
    zone: REJECT,
    from: DEEP,
    spf: "example.com",
    want: { is: "pass", policyDomain: "example.com" },
  },
  // Records that are none.
  {
    claim: "two records are none",
    zone: { "_dmarc.example.com": ["v=DMARC1; p=reject", "v=DMARC1; p=none"] },
    from: "example.com",
    want: { is: "none" },
  },
  {
    claim: "other texts beside it",
    zone: { "_dmarc.example.com": ["hello", "v=DMARC1; p=reject", "v=spf1 -all"] },
    from: "example.com",
    want: LOST,
  },
  {
    claim: "a policy that is none",
    zone: { "_dmarc.example.com": ["v=DMARC1; p=stern"] },
    from: "example.com",
    want: { is: "permerror" },
  },
  {
    claim: "a wildcard for everything",
    zone: { "_dmarc.example.com": ["v=spf1 -all"] },
    from: "example.com",
    want: { is: "none" },
  },
  // What cannot be looked up.
  {
    claim: "the record cannot be asked",
    zone: { "_dmarc.example.com": "trouble" },
    from: "example.com",
    spf: "example.com",
    want: { is: "temperror" },
  },
  {
    claim: "the server refuses for good",
    zone: { "_dmarc.example.com": "refused" },
    from: "example.com",
    want: { is: "permerror" },
  },
  {
    claim: "a parent cannot be asked",
    zone: { "_dmarc.example.com": "trouble" },
    from: "sub.example.com",
    want: { is: "temperror" },
  },
  {
    claim: "SPF could not be told",
    zone: REJECT,
    from: "example.com",
    spf: "!example.com",
    want: { is: "temperror", policy: "reject" },
  },
  {
    claim: "a key could not be asked",
    zone: REJECT,
    from: "example.com",
    dkim: "!mail.example.com",
    want: { is: "temperror", policy: "reject" },
  },
  {
    claim: "another's trouble is no excuse",
    zone: REJECT,
    from: "example.com",
    spf: "!evil.example",
    dkim: "!evil.example",
    want: LOST,
  },
  {
    claim: "trouble beside a pass",
    zone: REJECT,
    from: "example.com",
    spf: "!example.com",
    dkim: "example.com",
    want: { is: "pass" },
  },
  {
    claim: "an identifier's own tree cannot be asked",
    zone: { ...REJECT, "_dmarc.mail.example.com": "trouble" },
    from: "example.com",
    dkim: "mail.example.com",
    want: { is: "temperror", policy: "reject" },
  },
  // From: (RFC 9989 §5.3.1, §11.5).
  {
    claim: "no author",
    zone: REJECT,
    from: "",
    spf: "example.com",
    want: { is: "permerror", author: "none" },
  },
  {
    claim: "two authors, one of whom nobody speaks for",
    zone: { ...REJECT, "_dmarc.evil.example": ["v=DMARC1; p=none"] },
    from: "evil.example example.com",
    spf: "evil.example",
    want: { ...LOST, domain: "example.com" },
  },
  {
    claim: "two authors who both pass",
    zone: { ...REJECT, "_dmarc.example.org": ["v=DMARC1; p=reject"] },
    from: "example.com example.org",
    spf: "example.org",
    dkim: "example.com",
    want: { is: "pass" },
  },
  {
    claim: "the stricter of two",
    zone: { ...REJECT, "_dmarc.example.org": ["v=DMARC1; p=quarantine"] },
    from: "example.org example.com",
    want: LOST,
  },
  {
    claim: "a crowd to hide in",
    zone: REJECT,
    from: "a.example b.example c.example d.example example.com",
    want: { is: "permerror", author: "many" },
  },
];

const words = (text = "") => text.split(" ").filter((word) => word !== "");
const identifier = (text: string) => ({
  is: text.startsWith("!") ? "temperror" as const : "pass" as const,
  domain: text.replace("!", ""),
});

test.each(CASES.map((row) => [row.claim, row] as const))("evaluateDmarc(): %s", async (_claim, row) => {
  const { resolver, asked } = textZone(row.zone);
  const [spf] = words(row.spf).map(identifier);
  const result = await evaluateDmarc({
    fromDomains: words(row.from),
    ...(spf !== undefined && { spf }),
    dkim: words(row.dkim).map(identifier),
  }, { resolver });
  expect(result).toMatchObject(row.want);
  expect(new Set(asked).size).toBe(asked.length);
});

test("evaluateDmarc() does not take SPF's or DKIM's failures for a pass", async () => {
  const { resolver } = textZone(REJECT);
  for (const is of ["none", "neutral", "fail", "permerror"] as const) {
    const failed = { is, domain: "example.com" };
    const query = { fromDomains: ["example.com"], spf: failed, dkim: [failed] };
    expect(await evaluateDmarc(query, { resolver })).toMatchObject(LOST);
  }
});

test("walkOf() asks eight names at most (RFC 9989 §4.10)", () => {
  expect(walkOf("a.b.c.d.e.f.g.h.i.j.mail.example.com")).toEqual([
    "a.b.c.d.e.f.g.h.i.j.mail.example.com",
    "g.h.i.j.mail.example.com",
    "h.i.j.mail.example.com",
    "i.j.mail.example.com",
    "j.mail.example.com",
    "mail.example.com",
    "example.com",
    "com",
  ]);
  expect(walkOf("a.b.c.d.e.f.g.h").length).toBe(8);
  expect(walkOf("example.com")).toEqual(["example.com", "com"]);
  expect(walkOf("com")).toEqual(["com"]);
});

test("evaluateDmarc() asks nobody about those who cannot be aligned", async () => {
  const { resolver, asked } = textZone(REJECT);
  const dkim = Array.from(
    { length: 50 },
    (_, i) => ({ is: "pass" as const, domain: `${i}.a.b.evil.example` }),
  );
  await evaluateDmarc({ fromDomains: ["example.com"], dkim }, { resolver });
  expect(asked).toEqual(["_dmarc.example.com TXT", "_dmarc.com TXT"]);
});
