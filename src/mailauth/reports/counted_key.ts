import { readJson } from "../../base/bounded_json.ts";
import { either, integer, list, Misfit, optional, record, text } from "../../base/shape.ts";
import type {
  ReportedPolicy,
  ReportedRecord,
  ReportedSender,
  ReportedSignature,
} from "./aggregate_report.ts";
import type { PublishedPolicy, ReportedDkim, VerifiedMessage } from "./verified_message.ts";

/** What a message has in common with others of its record. */
export type ReportedRow = Omit<ReportedRecord, "count">;

/** What is counted of a message: its row, and that its policy was seen in an hour of the day, so that the last one is known. */
export type Counted =
  | { readonly row: ReportedRow }
  | { readonly policy: ReportedPolicy; readonly hour: number };

/** Signatures and reasons of one record (RFC 9990 §3.1.3 asks for no more than 100), and characters of their words. */
const [SIGNATURES, REASONS, NAME, WORDS] = [10, 4, 253, 200];
/** Characters of the names of all signatures of a record, which whoever sends mail can make as long as names may be. */
const NAMES = 600;

const name = text(NAME);
const word = text(20);
const words = text(WORDS);
const reason = record<ReportedRow["reasons"][number]>({ type: word, comment: optional(words) });
const signature = record<ReportedSignature>({
  domain: name,
  selector: optional(name),
  result: word,
  detail: optional(words),
});
const sender = record<ReportedSender>({
  domain: name,
  scope: optional(word),
  result: word,
  detail: optional(words),
});
const row = record<ReportedRow>({
  sourceIp: text(45),
  disposition: word,
  dkim: word,
  spf: word,
  reasons: list(reason, REASONS),
  headerFrom: name,
  envelopeFrom: optional(name),
  envelopeTo: optional(name),
  signatures: list(signature, SIGNATURES),
  senders: list(sender, 1),
});
const policy = record<ReportedPolicy>({
  domain: name,
  adkim: optional(word),
  aspf: optional(word),
  p: word,
  sp: optional(word),
  np: optional(word),
  pct: optional(word),
  fo: optional(word),
  testing: optional(word),
  discovery: optional(word),
});
const countedRow = record<{ readonly row: ReportedRow }>({ row });
const countedPolicy = record<{ readonly policy: ReportedPolicy; readonly hour: number }>({
  policy,
  hour: integer(0, 23),
});

/** Reads a key back; undefined when it is none of ours. */
export function parseCounted(key: string): Counted | undefined {
  const read = readJson<Counted>(key, either(countedRow, countedPolicy));
  return read instanceof Misfit ? undefined : read;
}

/** One text for all messages of a record. */
export function rowKey(message: VerifiedMessage): string {
  const { disposition, aligned, reasons, spf } = message;
  const result = (passed: boolean) => passed ? "pass" : "fail";
  const row: ReportedRow = {
    sourceIp: message.sourceIp,
    disposition,
    dkim: result(aligned.dkim),
    spf: result(aligned.spf),
    reasons: reasons.slice(0, REASONS).map(({ type, comment }) => ({
      type,
      comment: comment?.slice(0, WORDS),
    })),
    headerFrom: message.headerFrom.slice(0, NAME),
    envelopeFrom: message.envelopeFrom.slice(0, NAME),
    signatures: signaturesOf(message),
    senders: spf === undefined ? [] : [{ ...spf, domain: spf.domain.slice(0, NAME), scope: "mfrom" }],
  };
  return JSON.stringify({ row });
}

/** One text for all messages that a policy held for in an hour. */
export function policyKey({ policy }: VerifiedMessage, hour: number): string {
  return JSON.stringify({ policy: reportedPolicy(policy), hour });
}

function reportedPolicy(policy: PublishedPolicy): ReportedPolicy {
  const { domain, adkim, aspf, p, sp, np, fo, testing, discovery } = policy;
  return {
    domain: domain.slice(0, NAME),
    adkim,
    aspf,
    p,
    sp,
    np,
    fo: fo?.slice(0, 20),
    testing: testing ? "y" : "n",
    discovery,
  };
}

/** The signatures that tell most: those that pass before others, those of the author's domain before others (RFC 9990 §3.1.3). */
function signaturesOf({ dkim, headerFrom }: VerifiedMessage): readonly ReportedSignature[] {
  const rank = ({ domain, result }: ReportedDkim) => {
    if (result !== "pass") return 3;
    if (domain === headerFrom) return 0;
    return headerFrom.endsWith(`.${domain}`) || domain.endsWith(`.${headerFrom}`) ? 1 : 2;
  };
  const ranked = dkim.map((each) => ({ each, rank: rank(each) })).sort((one, other) => one.rank - other.rank);
  let left = NAMES;
  return ranked.slice(0, SIGNATURES).map(({ each: { domain, selector, result } }) => ({
    domain: domain.slice(0, NAME),
    selector: selector.slice(0, NAME),
    result,
  })).filter(({ domain, selector }) => (left -= domain.length + selector.length) >= 0);
}
