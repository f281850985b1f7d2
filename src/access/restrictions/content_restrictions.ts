import { then } from "../../base/maybe_async.ts";
import type { DkimResult } from "../../mailauth/dkim/dkim_result.ts";
import type { DmarcResult } from "../../mailauth/dmarc/dmarc_result.ts";
import { domainKeys } from "../../table/search/host_keys.ts";
import type { CheckedContent } from "../policy.ts";
import type { DefaultCheck, Query, Restriction, Subject, Verdict } from "../restriction.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";
import { firstFound } from "../table/access_table.ts";
import { lookupVerdict } from "../table/lookup_verdict.ts";
import { DUNNO, reject, rejectedText, serverError } from "../verdict.ts";

/** What a restriction does with content that was checked; what was not (exempt clients) is no business of it. */
function ofContent(judge: (content: CheckedContent, query: Query) => ReturnType<Restriction>): Restriction {
  return (query) => {
    if (query.stage !== "END-OF-MESSAGE") {
      return serverError("restrictions on content work in smtpd_end_of_data_restrictions only");
    }
    const { content } = query.facts;
    return content === undefined ? DUNNO : judge(content, query);
  };
}

/** Why restrictions on content cannot act in a list; undefined where they can. */
export function contentFlaw(list: string, { settings }: RestrictionDeps): string | undefined {
  if (!settings.mail_authentication) return "needs mail_authentication = yes";
  if (settings.smtpd_proxy_filter !== "") return "does not act where smtpd_proxy_filter takes the content";
  const isEarlier = list.startsWith("smtpd_") && list.endsWith("_restrictions") &&
    list !== "smtpd_end_of_data_restrictions";
  return isEarlier ? "works in smtpd_end_of_data_restrictions only: before, there is no content" : undefined;
}

const authorOf = ({ domain }: DmarcResult): Subject => ({ name: domain, class: "Author domain" });

/** check_dmarc: what the author's domain asks for is done where that is a refusal (RFC 9989 §7.2, RFC 7372 §3.4). */
export function checkDmarc(): Restriction {
  return ofContent(({ dmarc, passesBy }): Verdict => {
    if (passesBy !== undefined) return DUNNO;
    const { is, policy, domain, author, record } = dmarc;
    const about = authorOf(dmarc);
    if (author === "none") {
      return reject(550, "5.7.1", rejectedText(about, "no address with a domain in From:"));
    }
    if (author === "many") {
      return reject(550, "5.7.1", rejectedText(about, "more authors in From: than DMARC can be checked for"));
    }
    if (is === "temperror" && (record === undefined || policy !== "none")) {
      return reject(451, "4.4.3", rejectedText(about, "DMARC cannot be checked now, try again later"));
    }
    if (is !== "fail" || policy !== "reject") return DUNNO;
    return reject(550, "5.7.26", rejectedText(about, `DMARC fails, and ${domain} asks to reject such mail`));
  });
}

/** The result as tables have it: a failure by what the domain asks for. */
function dmarcWord({ dmarc: { is, policy }, passesBy }: CheckedContent): string {
  if (passesBy !== undefined) return "pass";
  return is === "fail" && policy !== "none" ? policy : is;
}

/** check_dmarc_access: keys `RESULT:DOMAIN`, the same of parent domains, and `RESULT`. */
export function checkDmarcAccess(
  deps: RestrictionDeps,
  spec: string,
  defaultCheck: DefaultCheck | undefined,
): Restriction {
  const table = deps.openTables.table(spec);
  return ofContent((content, query) => {
    const { dmarc } = content;
    const keys = keysOf(deps, [[dmarcWord(content), dmarc.domain]], dmarcWord(content));
    return then(firstFound(table, keys, keys.length), (answer) => {
      const question = { table, datum: keys[0] ?? "", about: authorOf(dmarc), query, defaultCheck };
      return lookupVerdict(deps, question, answer);
    });
  });
}

function keysOf(
  { lookup }: RestrictionDeps,
  results: readonly (readonly [word: string, domain: string])[],
  overall: string,
): string[] {
  const keys = results.flatMap(([word, domain]) =>
    domainKeys(domain, lookup.parentMatches).map((key) => `${word}:${key}`)
  );
  return [...keys, overall];
}

/** Best first: what passes says more than what does not. */
const ORDER = ["pass", "temperror", "policy", "neutral", "fail", "permerror", "none"];

const byWorth = (dkim: readonly DkimResult[]) =>
  [...dkim].sort((one, other) => ORDER.indexOf(one.is) - ORDER.indexOf(other.is));

const signers = (dkim: readonly DkimResult[]): Subject => ({
  name: [...new Set(dkim.map(({ domain }) => domain))].join(" ").slice(0, 100),
  class: "DKIM signature",
});

/** check_dkim: mail that is signed and whose signatures say nothing of it is refused (RFC 7372 §3.1); what has none is not. */
export function checkDkim(): Restriction {
  return ofContent(({ dkim }): Verdict => {
    if (dkim.length === 0 || dkim.some(({ is }) => is === "pass")) return DUNNO;
    const about = signers(dkim);
    return dkim.some(({ is }) => is === "temperror")
      ? reject(451, "4.4.3", rejectedText(about, "DKIM cannot be checked now, try again later"))
      : reject(550, "5.7.20", rejectedText(about, "no passing DKIM signature"));
  });
}

/** check_dkim_access: keys `RESULT:DOMAIN` of each signature, those that pass first, and `RESULT` of the best one. */
export function checkDkimAccess(
  deps: RestrictionDeps,
  spec: string,
  defaultCheck: DefaultCheck | undefined,
): Restriction {
  const table = deps.openTables.table(spec);
  return ofContent(({ dkim }, query) => {
    const sorted = byWorth(dkim);
    const results = sorted.map(({ is, domain }) => [is, domain] as const);
    const keys = keysOf(deps, results, sorted[0]?.is ?? "none");
    return then(firstFound(table, keys, keys.length), (answer) => {
      const question = { table, datum: keys[0] ?? "", about: signers(dkim), query, defaultCheck };
      return lookupVerdict(deps, question, answer);
    });
  });
}
