import { expect, test } from "bun:test";
import { parseCounted, rowKey } from "./counted_key.ts";
import type { ReportedDkim, VerifiedMessage } from "./verified_message.ts";

const message = (dkim: readonly ReportedDkim[]): VerifiedMessage => ({
  sourceIp: "192.0.2.1",
  headerFrom: "news.example.com",
  envelopeFrom: "example.com",
  policy: {
    domain: "example.com",
    p: "none",
    adkim: "r",
    aspf: "r",
    testing: false,
    discovery: "treewalk",
    hasRua: true,
  },
  disposition: "none",
  aligned: { dkim: false, spf: false },
  reasons: [],
  dkim,
});

const signaturesOf = (key: string) => {
  const counted = parseCounted(key);
  return counted !== undefined && "row" in counted ? counted.row.signatures : undefined;
};

test("names of signatures make no record large; the author's own come first", () => {
  const long = (at: number): ReportedDkim => ({
    domain: `${`${at}${"d".repeat(60)}.`.repeat(4)}example`.slice(-253),
    selector: "s".repeat(253),
    result: "permerror",
  });
  const own: ReportedDkim = { domain: "example.com", selector: "s1", result: "pass" };
  const key = rowKey(message([...Array.from({ length: 9 }, (_, at) => long(at)), own]));
  expect(key.length).toBeLessThan(1500);
  expect(signaturesOf(key)?.[0]).toEqual(own);
});

test("ten usual signatures find room", () => {
  const usual = Array.from({ length: 10 }, (_, at): ReportedDkim => ({
    domain: `bounces.provider${at}.example.com`,
    selector: `selector-of-2026-${at}`,
    result: "fail",
  }));
  expect(signaturesOf(rowKey(message(usual)))).toEqual(usual);
});
