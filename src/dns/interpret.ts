import type { DnsAnswer } from "./answer.ts";
import { hostIn, type Response } from "./message.ts";
import type { DnsRecord, RecordOf, RecordType } from "./record.ts";

/** Longest CNAME chain that is followed. */
const CHAIN = 16;

/** What a response means for a question; `again` when a CNAME leads to a name that the response says nothing about. */
export type Meaning<Type extends RecordType> =
  | { readonly is: "answer"; readonly answer: DnsAnswer<Type> }
  | { readonly is: "again"; readonly name: string };

/** Reads a response: follows its CNAMEs, keeps NODATA and NXDOMAIN apart (RFC 1034 §4.3.2, RFC 2308 §2). */
export function interpret<Type extends RecordType>(
  response: Response,
  name: string,
  type: Type,
): Meaning<Type> {
  const authentic = response.authentic;
  if (response.rcode !== "NOERROR" && response.rcode !== "NXDOMAIN") {
    return { is: "answer", answer: troubleOf(response.rcode) };
  }
  const canonical = type === "CNAME" ? name : endOfChain(response.answers, name);
  if (canonical === undefined) {
    return { is: "answer", answer: { is: "trouble", why: "CNAME loop", retry: true } };
  }
  const records = response.answers.filter((record): record is RecordOf<Type> =>
    record.type === type && sameName(record.name, canonical)
  );
  if (records.length > 0) {
    return {
      is: "answer",
      answer: { is: "records", records, canonical, authentic, ...malformedOf(response) },
    };
  }
  if (response.malformed.length > 0) return { is: "answer", answer: withoutHost(response) };
  if (response.rcode === "NXDOMAIN") return { is: "answer", answer: { is: "nxdomain", authentic } };
  if (!sameName(canonical, name) && response.negativeTtl === undefined) {
    return { is: "again", name: canonical };
  }
  return { is: "answer", answer: { is: "nodata", authentic } };
}

function sameName(a: string, b: string): boolean {
  return a === b || a.toLowerCase() === b.toLowerCase();
}

/** Where the aliases in a response lead; undefined when they go in a circle. */
function endOfChain(answers: readonly DnsRecord[], name: string): string | undefined {
  let at = name;
  for (let step = 0; step <= CHAIN; step++) {
    const alias = answers.find((record) => record.type === "CNAME" && sameName(record.name, at));
    if (alias?.type !== "CNAME") return at;
    at = alias.target;
  }
  return undefined;
}

function malformedOf({ malformed }: Response): { readonly malformed?: readonly string[] } {
  return malformed.length === 0 ? {} : { malformed: malformed.map((record) => hostIn(record) ?? "") };
}

/** Nothing but records that name no host: an alias leads nowhere, the others are no answer (dns_lookup(3)'s DNS_INVAL). */
function withoutHost(response: Response): DnsAnswer<never> {
  if (response.malformed.some(({ type }) => type === "CNAME")) return { is: "nxdomain", authentic: false };
  const why = "Malformed or unexpected name server reply";
  return { is: "trouble", why, retry: false, ...malformedOf(response) };
}

/** What another server, or this one later, may answer better; the rest is final (h_errno's TRY_AGAIN and NO_RECOVERY). */
const MAY_PASS: ReadonlySet<string> = new Set(["SERVFAIL", "REFUSED", "NOTIMP"]);

function troubleOf(rcode: string): DnsAnswer<never> {
  return MAY_PASS.has(rcode)
    ? { is: "trouble", why: "Host not found, try again", retry: true }
    : { is: "trouble", why: "Non-recoverable error", retry: false };
}
