import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { SpfResult } from "../../mailauth/spf/spf_result.ts";
import { parentKeys } from "../../table/search/host_keys.ts";
import type { Answer } from "../../table/table.ts";
import { addressSubject } from "./address_restrictions.ts";
import { heloSubject } from "./helo_restrictions.ts";
import { firstFound } from "../table/access_table.ts";
import { lookupVerdict, withoutRelaying } from "../table/lookup_verdict.ts";
import type { DefaultCheck, Query, Restriction, Subject, Verdict } from "../restriction.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";
import { DUNNO, reject, rejectedText } from "../verdict.ts";

/** Whom a result is about: the sender, or for the null sender the HELO name (RFC 7208 §2.4). */
function subjectOf({ identity }: SpfResult, { facts }: Query): Subject {
  return identity === "helo" ? heloSubject(facts.helo ?? "") : addressSubject("sender", facts.sender ?? "");
}

/** Longest reason that a reply repeats. */
const MAX_WHY = 150;

/** What a refusal says of a result: who may not send for which domain, and what the domain itself has to say (RFC 7208 §8.4). */
function refusalText({ is, domain, mechanism, why, explanation }: SpfResult, { facts }: Query): string {
  const by = mechanism === undefined || why !== undefined ? "" : ` by ${mechanism}`;
  const because = why === undefined ? "" : `: ${why.slice(0, MAX_WHY)}`;
  const explained = explanation === undefined ? "" : `; ${domain} explains: ${explanation}`;
  return `SPF ${is}${by} of ${facts.client.address} for ${
    domain === "" ? "no domain" : domain
  }${because}${explained}`;
}

/** check_spf: refuses whom the domain's SPF record says to refuse; whoever cannot be judged now comes again later (RFC 7208 §8). */
export const checkSpfResult: Restriction = (query) =>
  then(query.spf(), (result): Verdict => {
    if (result?.is === "fail") return reject(550, "5.7.23", textFor(result, query));
    if (result?.is !== "temperror") return DUNNO;
    const { refusal } = reject(451, "4.7.24", textFor(result, query));
    return { is: "defer_if_permit", refusal };
  });

function textFor(result: SpfResult, query: Query): string {
  return rejectedText(subjectOf(result, query), refusalText(result, query));
}

/** check_spf_access: a table says what a result is worth. No permit of it is a leave to relay: anybody has a domain that passes. */
export function checkSpfAccess(
  deps: RestrictionDeps,
  spec: string,
  defaultCheck: DefaultCheck | undefined,
): Restriction {
  const table = deps.openTables.table(spec);
  return (query) =>
    then(query.spf(), (result): MaybeAsync<Verdict> => {
      if (result === undefined) return DUNNO;
      const keys = keysFor(result, deps.lookup.parentMatches);
      const question = { table, datum: keys[0]!, about: subjectOf(result, query), query, defaultCheck };
      return then(
        firstFound(table, keys),
        (answer) =>
          withoutRelaying(lookupVerdict(deps, question, worded(answer, result, query)), "check_spf_access"),
      );
    });
}

/** `fail:host.example.com`, its parents as other access tables have them, then `fail`. */
function keysFor({ is, domain }: SpfResult, parentMatches: boolean): string[] {
  const domains = domain === "" ? [] : parentKeys(domain, parentMatches);
  return [...domains.map((key) => `${is}:${key}`), is];
}

const BARE = /^(?:REJECT|DEFER|DEFER_IF_PERMIT|DEFER_IF_REJECT)$/i;

/** A refusal to which the table has no words gets ours, and the status of the result (RFC 7372 §3.2). */
function worded(answer: Answer, result: SpfResult, query: Query): Answer {
  if (answer.is !== "found" || !BARE.test(answer.value.trim())) return answer;
  return { ...answer, value: `${answer.value.trim()} ${STATUS[result.is]} ${refusalText(result, query)}` };
}

const STATUS: Readonly<Record<SpfResult["is"], string>> = {
  fail: "5.7.23",
  softfail: "5.7.23",
  temperror: "5.7.24",
  permerror: "5.7.24",
  none: "5.7.1",
  neutral: "5.7.1",
  pass: "5.7.1",
};
