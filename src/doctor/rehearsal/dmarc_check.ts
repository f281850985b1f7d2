import type { DnsAnswer } from "../../dns/answer.ts";
import { parseDmarcRecord } from "../../mailauth/dmarc/dmarc_record.ts";
import type { DmarcResult } from "../../mailauth/dmarc/dmarc_result.ts";
import { type CheckResult, ok, problem, warning } from "../check_result.ts";
import { txtRecord } from "./spf_edit.ts";

/** What DMARC makes of SPF and of the keys that are published. */
export interface DmarcFacts {
  readonly domain: string;
  /** Of `_dmarc.` and the domain. */
  readonly texts: DnsAnswer<"TXT">;
  /** With the signatures that our keys would make. */
  readonly result: DmarcResult;
  /** It goes to many: then a record is demanded. */
  readonly bulk: boolean;
  /** Whether SPF can speak for us is not known: the address is not. */
  readonly spfUnknown: boolean;
}

const NAME = "DMARC";

/** Whether the domain has a policy, and whether our mail passes it (RFC 9989). */
export function checkDmarc({ domain, texts, result, bulk, spfUnknown }: DmarcFacts): CheckResult[] {
  const place = `_dmarc.${domain}`;
  const record = txtRecord(place, `v=DMARC1; p=none; rua=mailto:postmaster@${domain}`);
  const written = texts.is === "records"
    ? texts.records.filter(({ text }) => parseDmarcRecord(text).is !== "other").length
    : 0;
  if (written > 1) {
    return [
      problem(NAME, `${place} has ${written} records, so that none counts`, { fix: "make one of them" }),
    ];
  }
  switch (result.is) {
    case "none":
      return [
        (bulk ? problem : warning)(
          NAME,
          `${domain} has no DMARC record: large receivers demand one of whoever sends much`,
          {
            fix: "publish one that only watches first; p=quarantine or p=reject when all mail passes",
            record,
          },
        ),
      ];
    case "temperror":
      return [warning(NAME, `${domain} cannot be judged now: ${result.why ?? "no answer"}`)];
    case "permerror":
      return [
        problem(NAME, `the record of ${domain} cannot be followed: ${result.why ?? ""}`, {
          fix: "publish",
          record,
        }),
      ];
    case "fail":
      return [failing(result, spfUnknown)];
    case "pass":
      return [passing(result, spfUnknown)];
  }
}

const policyText = ({ record, policyDomain, domain }: DmarcResult) =>
  `p=${record?.p ?? "none"}${
    policyDomain === domain || policyDomain === undefined ? "" : ` of ${policyDomain}`
  }`;

function failing(result: DmarcResult, spfUnknown: boolean): CheckResult {
  const { policy } = result;
  const what = policy === "reject"
    ? "refused"
    : policy === "quarantine"
    ? "put aside as spam"
    : "told of in reports alone";
  const why = spfUnknown
    ? "no key signs for the domain, and SPF cannot be told"
    : "neither SPF nor a signature is for the domain";
  return (spfUnknown ? warning : problem)(NAME, `mail is ${what} (${policyText(result)}): ${why}`, {
    fix: "see SPF and DKIM; MAIL FROM, or d=, has to be the domain of From: or one below it",
  });
}

/** A signature survives forwarding, SPF does not. */
function passing(result: DmarcResult, spfUnknown: boolean): CheckResult {
  const { spfAligned, dkimAligned } = result;
  if (!dkimAligned) {
    return warning(NAME, `mail passes (${policyText(result)}) by SPF alone: what is forwarded fails`, {
      fix: "sign it: see DKIM",
    });
  }
  const by = spfAligned ? "by SPF and DKIM" : spfUnknown ? "by DKIM" : "by DKIM alone";
  return ok(NAME, `mail passes (${policyText(result)}) ${by}`);
}
