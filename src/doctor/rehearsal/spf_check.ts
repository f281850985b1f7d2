import type { DnsAnswer } from "../../dns/answer.ts";
import { isSpfRecord } from "../../mailauth/spf/parse_record.ts";
import type { SpfResult } from "../../mailauth/spf/spf_result.ts";
import { type CheckResult, ok, problem, warning } from "../check_result.ts";
import { whyNothing } from "../name_lookup.ts";
import { newSpf, spfWith, txtRecord } from "./spf_edit.ts";

/** What SPF says of us. */
export interface SpfFacts {
  readonly domain: string;
  readonly texts: DnsAnswer<"TXT">;
  /** For each address that receivers see; empty where none is known. */
  readonly judged: readonly { readonly address: string; readonly result: SpfResult }[];
}

const NAME = "SPF";

/** Whether the domain lets our addresses send its mail (RFC 7208), and the record by which it would. */
export function checkSpfRecord({ domain, texts, judged }: SpfFacts): CheckResult[] {
  if (texts.is === "trouble") return [warning(NAME, `the record of ${domain} ${whyNothing(texts)}`)];
  const records = texts.is === "records"
    ? texts.records.map(({ text }) => text).filter((text) => isSpfRecord(text))
    : [];
  const [record] = records;
  if (record === undefined) {
    return [problem(NAME, `${domain} has no SPF record`, {
      fix: "publish one that has all addresses from which mail of the domain comes",
      record: txtRecord(domain, newSpf(judged.map(({ address }) => address))),
    })];
  }
  if (records.length > 1) {
    return [
      problem(NAME, `${domain} has ${records.length} SPF records, so that none counts (RFC 7208 §4.5)`, {
        fix: "make one of them",
      }),
    ];
  }
  if (judged.length === 0) {
    return [warning(NAME, `whether "${record}" has the address that receivers see cannot be told`, {
      fix: "say which it is: --ip ADDRESS",
    })];
  }
  return judgements(domain, record, judged);
}

function judgements(domain: string, record: string, judged: SpfFacts["judged"]): CheckResult[] {
  const broken = judged.find(({ result }) => result.is === "permerror");
  if (broken !== undefined) {
    return [problem(NAME, `"${record}" cannot be followed: ${broken.result.why ?? "permerror"}`, {
      fix: "correct the record: no receiver counts it as it is",
    })];
  }
  const refused = judged.filter(({ result: { is } }) => REFUSED.has(is));
  const other = judged.filter(({ result: { is } }) => !REFUSED.has(is));
  const mended = spfWith(record, refused.map(({ address }) => address));
  return [
    ...other.map((each) => accepted(domain, each)),
    ...refused.map(({ address, result: { is, mechanism } }) =>
      problem(NAME, `${address} may not send mail of ${domain}: ${is}${by(mechanism)}`, {
        fix: "publish the record with the address in it",
        record: txtRecord(domain, mended),
      })
    ),
  ];
}

const REFUSED: ReadonlySet<string> = new Set(["fail", "softfail", "neutral", "none"]);
const by = (mechanism: string | undefined) => mechanism === undefined ? "" : ` (${mechanism})`;

function accepted(domain: string, { address, result }: SpfFacts["judged"][number]): CheckResult {
  const { is, mechanism, why } = result;
  if (is !== "pass") return warning(NAME, `${domain} for ${address} cannot be told now: ${why ?? is}`);
  if (/^\+?all$/i.test(mechanism ?? "")) {
    return problem(
      NAME,
      `${domain} lets everybody send its mail (${mechanism}): receivers trust that less than nothing`,
      {
        fix: "name the addresses, and end the record with -all",
        record: txtRecord(domain, newSpf([address])),
      },
    );
  }
  return ok(NAME, `${address} may send mail of ${domain}${by(mechanism)}`);
}

/** Notices have no sender, and are judged by the HELO name (RFC 7208 §2.4). No record of its own is nothing against it. */
export function checkSpfOfHelo(helo: string, judged: SpfFacts["judged"]): CheckResult[] {
  const refused = judged.filter(({ result: { is } }) =>
    is === "fail" || is === "softfail" || is === "permerror"
  );
  if (refused.length === 0) return [];
  const whom = refused.map(({ address, result: { is } }) => `${address} (${is})`).join(", ");
  return [
    problem(
      NAME,
      `notices of failed mail are refused: ${helo}, the name in HELO, does not let ${whom} send`,
      {
        fix: "publish a record of that name",
        record: txtRecord(helo, newSpf(judged.map(({ address }) => address))),
      },
    ),
  ];
}
