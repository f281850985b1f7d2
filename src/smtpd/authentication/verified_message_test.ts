import { expect, test } from "bun:test";
import { parseDmarcRecord } from "../../mailauth/dmarc/dmarc_record.ts";
import type { DmarcResult } from "../../mailauth/dmarc/dmarc_result.ts";
import type { MessageResult } from "../../mailauth/message_check.ts";
import { type Treated, verifiedMessage } from "./verified_message.ts";

function resultOf(text: string, dmarc: Partial<DmarcResult>): MessageResult {
  const read = parseDmarcRecord(text);
  return {
    spf: { is: "fail", identity: "mailfrom", domain: "bounces.example" },
    dkim: [{
      is: "pass",
      domain: "list.example",
      selector: "s",
      identity: "@list.example",
      algorithm: "rsa-sha256",
      b: "",
      testing: false,
    }],
    arc: { is: "none", links: [], highest: 0 },
    dmarc: {
      is: "fail",
      domain: "bank.example",
      policy: "reject",
      source: "p",
      policyDomain: "bank.example",
      spfAligned: false,
      dkimAligned: false,
      ...(read.is === "record" && { record: read.record }),
      ...dmarc,
    },
    fields: ["From: a@bank.example\r\n", "Subject: Report Domain: a.example Submitter: b\r\n"],
  };
}

const TREATED: Treated = {
  sourceIp: "192.0.2.7",
  sender: "x@Bounces.example",
  passesBy: undefined,
  disposition: "none",
};
const RECORD = "v=DMARC1; p=reject; sp=none; rua=mailto:a@bank.example";

test("verifiedMessage() tells all that a report counts", () => {
  expect(verifiedMessage(resultOf(RECORD, {}), { ...TREATED, disposition: "reject" })).toEqual({
    sourceIp: "192.0.2.7",
    headerFrom: "bank.example",
    envelopeFrom: "bounces.example",
    policy: {
      domain: "bank.example",
      p: "reject",
      sp: "none",
      np: "none",
      adkim: "r",
      aspf: "r",
      fo: "0",
      testing: false,
      discovery: "treewalk",
      hasRua: true,
    },
    disposition: "reject",
    aligned: { dkim: false, spf: false },
    reasons: [],
    dkim: [{ domain: "list.example", selector: "s", result: "pass" }],
    spf: { domain: "bounces.example", result: "fail" },
    isReport: true,
  });
});

test.each([
  ["refused as asked", RECORD, {}, { disposition: "reject" }, "reject", []],
  ["taken all the same", RECORD, {}, {}, "none", ["local_policy"]],
  ["held in place of a refusal", RECORD, {}, { disposition: "quarantine" }, "quarantine", ["local_policy"]],
  ["a forwarder's word", RECORD, {}, { passesBy: "trusted forwarder x" }, "none", ["trusted_forwarder"]],
  ["testing", "v=DMARC1; p=quarantine; t=y", { policy: "none" }, {}, "none", ["policy_test_mode"]],
  ["nothing asked", "v=DMARC1; p=none", { policy: "none" }, {}, "none", []],
  ["passed", RECORD, { is: "pass", policy: "none", source: undefined }, {}, "pass", []],
  [
    "passed where nothing is asked",
    RECORD,
    { is: "pass", domain: "x.bank.example", policy: "none" },
    {},
    "none",
    [],
  ],
] as [string, string, Partial<DmarcResult>, Partial<Treated>, string, string[]][])(
  "verifiedMessage() of mail: %s",
  (_claim, record, dmarc, treated, disposition, reasons) => {
    const told = verifiedMessage(resultOf(record, dmarc), { ...TREATED, ...treated });
    expect(`${told?.disposition} ${told?.reasons.map(({ type }) => type).join()}`).toBe(
      `${disposition} ${reasons.join()}`,
    );
  },
);

test("verifiedMessage() has nothing to tell of domains without a record", () => {
  expect(verifiedMessage(resultOf("", { is: "none" }), TREATED)).toBeUndefined();
});
