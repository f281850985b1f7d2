import { expect, test } from "bun:test";
import fc from "fast-check";
import { type DmarcRecord, effectivePolicy, parseDmarcRecord } from "./dmarc_record.ts";

const DEFAULTS: Omit<DmarcRecord, "text"> = {
  p: "none",
  sp: "none",
  np: "none",
  adkim: "r",
  aspf: "r",
  psd: "u",
  t: "n",
  pct: 100,
  rua: [],
  ruf: [],
  fo: "0",
};
const REJECT: typeof DEFAULTS = { ...DEFAULTS, p: "reject", sp: "reject", np: "reject" };
const RUA = ["mailto:a@example.com"];

const RECORDS: readonly (readonly [string, typeof DEFAULTS])[] = [
  ["v=DMARC1;p=reject", REJECT],
  ["v=DMARC1; p=reject;", REJECT],
  [" v = DMARC1 ; p = reject ; ", REJECT],
  ["v=DMARC1", DEFAULTS],
  ["v=DMARC1;", DEFAULTS],
  ["v=DMARC1; p=REJECT", REJECT],
  ["v=DMARC1; P=reject", REJECT],
  ["v=DMARC1; adkim=s; aspf=s; p=reject", { ...REJECT, adkim: "s", aspf: "s" }],
  ["v=DMARC1; p=reject; sp=none", { ...REJECT, sp: "none", np: "none" }],
  ["v=DMARC1; p=none; np=reject", { ...DEFAULTS, np: "reject" }],
  ["v=DMARC1; p=none; sp=quarantine; np=reject; psd=y", {
    ...DEFAULTS,
    sp: "quarantine",
    np: "reject",
    psd: "y",
  }],
  ["v=DMARC1; p=reject; t=y; pct=20", { ...REJECT, t: "y", pct: 20 }],
  // What is wrong counts as absent.
  ["v=DMARC1; p=reject; pct=200; adkim=x; t=maybe; psd=; fo=9; colour=red; ;;; =; rubbish", REJECT],
  ["v=DMARC1; p=reject; p=none", REJECT],
  ["v=DMARC1; p=reject; rua=mailto:a@example.com!10m , https://x.example/r,nonsense, ,", {
    ...REJECT,
    rua: ["mailto:a@example.com", "https://x.example/r"],
  }],
  ["v=DMARC1; p=reject; ruf=mailto:a@example.com; fo=1:d:s", { ...REJECT, ruf: RUA, fo: "1:d:s" }],
  // Policies that are none: RFC 9989 §4.10.1.
  ["v=DMARC1; p=all; rua=mailto:a@example.com", { ...DEFAULTS, rua: RUA }],
  ["v=DMARC1; p=reject; sp=block; rua=mailto:a@example.com", { ...DEFAULTS, rua: RUA }],
];

test.each(RECORDS)("parseDmarcRecord(%j) is a record", (text, record) => {
  expect(parseDmarcRecord(text)).toEqual({ is: "record", record: { ...record, text } });
});

test.each([
  ["", "other"],
  ["v=DMARC2; p=reject", "other"],
  ["v=dmarc1; p=reject", "other"],
  ["v=DMARC1 p=reject", "other"],
  ["v=DMARC10; p=reject", "other"],
  ["p=reject; v=DMARC1", "other"],
  ["v=spf1 -all", "other"],
  ["v=DMARC1; p=all", "fault"],
  ["v=DMARC1; p=reject; np=x; rua=nonsense", "fault"],
])("parseDmarcRecord(%j) is %s", (text, is) => expect(parseDmarcRecord(text).is).toBe(is as "other"));

test.each([
  `v=DMARC1; p=${" ".repeat(8000)}\x80`,
  `v=DMARC1; p${" ".repeat(8000)}x=reject`,
  `v=DMARC1; ${" ".repeat(8000)}`,
])("parseDmarcRecord() of many blanks takes time in proportion", (text) => {
  const read = parseDmarcRecord(text);
  expect(read.is === "record" && read.record.p).toBe("none");
});

test("parseDmarcRecord() does not look at what is far too long", () => {
  expect(parseDmarcRecord(`v=DMARC1; p=reject; x=${"a".repeat(9000)}`)).toEqual({ is: "other" });
});

test.each(
  [
    ["v=DMARC1; p=reject", "reject"],
    ["v=DMARC1; p=reject; t=y", "quarantine"],
    ["v=DMARC1; p=quarantine; t=y", "none"],
    ["v=DMARC1; p=none; t=y", "none"],
    ["v=DMARC1; p=reject; pct=0", "quarantine"],
    ["v=DMARC1; p=reject; pct=50", "reject"],
  ] as const,
)("of %j failing mail is to be treated as %s", (text, policy) => {
  const read = parseDmarcRecord(text);
  expect(read.is === "record" && effectivePolicy(read.record, read.record.p)).toBe(policy);
});

const piece = fc.oneof(
  fc.constantFrom("v=DMARC1", ";", "=", "p", "sp=", "np=reject", "rua=", "mailto:a@b.c", ",", "!", "10m"),
  fc.string({ unit: "binary", maxLength: 8 }),
);

test("parseDmarcRecord() answers whatever is published, and only with what a policy can be", () => {
  fc.assert(fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
    const read = parseDmarcRecord(pieces.join(""));
    if (read.is !== "record") return;
    const { p, sp, np, pct, rua, ruf, fo } = read.record;
    for (const policy of [p, sp, np]) expect(["none", "quarantine", "reject"]).toContain(policy);
    expect(pct >= 0 && pct <= 100).toBe(true);
    for (const uri of [...rua, ...ruf]) expect(uri).toMatch(/^[A-Za-z][A-Za-z0-9+.-]*:[^\s,!]+$/);
    expect(fo).toMatch(/^[01ds](:[01ds])*$/);
  }));
});
