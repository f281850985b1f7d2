import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { EhloKeyword } from "../../smtp/ehlo_keywords.ts";
import { accept, type Refusal, refuse } from "../../smtp/reply.ts";
import { askMilters } from "../policy/ask_milters.ts";
import { check } from "../policy/ask_policy.ts";
import { announcedMechanisms, learnOffer } from "../policy/auth_offer.ts";
import { mayUse } from "../policy/client_lists.ts";
import type { Context } from "../context.ts";
import { ALL_BUT_STATUS, type EhloFacts, ehloLines } from "../ehlo_keywords.ts";
import { LocalDataFault } from "../local_data_fault.ts";
import { type CommandPhase, READY } from "../phase.ts";
import type { SessionFacts } from "../session_facts.ts";
import { answer, type Step } from "../step.ts";

const HELO_SYNTAX = refuse(501, undefined, "Syntax: HELO hostname");
const EHLO_SYNTAX = refuse(501, undefined, "Syntax: EHLO hostname");

const UNSAFE = /[ <>()\\";@\x00-\x1f\x7f]/;
const ALL_UNSAFE = new RegExp(UNSAFE, "g");

/** The name as it goes into logs and headers: what could break out of those becomes `?`. */
export function safeHelloName(name: string): string {
  return UNSAFE.test(name) ? name.replace(ALL_UNSAFE, "?") : name;
}

const nameIn = (words: readonly string[]) => safeHelloName(words.slice(1).join(" "));

/** What is known of a client that says who it is. */
function introduced(facts: SessionFacts, name: string, esmtp: boolean): SessionFacts {
  return { ...facts, hello: { name, esmtp }, esmtp };
}

/** HELO (RFC 5321 §4.1.1.1). It starts anew: the transaction is gone, whatever is answered (RFC 5321 §4.1.4). */
export function helo(phase: CommandPhase, context: Context, words: readonly string[]): MaybeAsync<Step> {
  if (words.length < 2) return answer(phase, HELO_SYNTAX);
  const name = nameIn(words);
  return then(check(context, { phase: READY, stage: "HELO", subject: { helo: name } }), (refusal) => {
    if (refusal !== undefined) return answer(READY, refusal);
    return then(tellMilters(context, phase, "HELO", words), (told): Step => {
      if (told?.code === 421) return answer(READY, told);
      const facts = introduced(context.facts, name, false);
      return { ...answer(READY, accept(250, undefined, context.settings.myhostname)), facts };
    });
  });
}

/**
 * Milters are told of the name. What they say against it is said at MAIL (sendmail's way), but for 421. One that has been told of
 * another name before begins anew.
 */
function tellMilters(
  context: Context,
  phase: CommandPhase,
  stage: "HELO" | "EHLO",
  words: readonly string[],
): MaybeAsync<Refusal | undefined> {
  const { milters, hello } = context.facts;
  if (milters === undefined) return undefined;
  const name = words.slice(1).join(" ");
  const question = { phase, stage, subject: { helo: name } };
  return then(askMilters(context, question, (chain, macros) => chain.helo(name, macros)), (told) => {
    if (hello !== undefined && told?.code !== 421) milters.abort();
    return told;
  });
}

/** The log hears what is kept from the client, unless it is told not to (smtpd_discard_ehlo_keywords). */
function tellOfDiscarded({ deps, facts }: Context): void {
  if (facts.withheld.size === 0 || facts.withheldSilently) return;
  deps.log.note("smtpd", "info", `discarding EHLO keywords: ${[...facts.withheld].join(" ")}`);
}

/** Which commands that are not for everybody this client may use. */
function allowances(
  context: Context,
): MaybeAsync<Pick<EhloFacts, "mayXclient" | "mayXforward" | "mayXverp">> {
  return then(
    mayUse(context, "xverp"),
    (mayXverp) =>
      then(
        mayUse(context, "xclient"),
        (mayXclient) =>
          then(mayUse(context, "xforward"), (mayXforward) => ({ mayXverp, mayXclient, mayXforward })),
      ),
  );
}

/** The answer to EHLO: how to log in, whether the two proxy commands are for this client, and what is kept back. */
function announce(
  context: Context,
  facts: SessionFacts,
  discarded: ReadonlySet<EhloKeyword> = facts.withheld,
): MaybeAsync<Step> {
  if (facts.keywordsUnknown) {
    throw new LocalDataFault(`don't know what EHLO features to announce to ${context.clientText}`);
  }
  if (discarded === facts.withheld) tellOfDiscarded(context);
  return then(learnOffer(context, READY), (learned) => {
    if ("end" in learned) return learned.end;
    const { offer } = learned;
    return then(
      announcedMechanisms(context, offer),
      (auth) =>
        then(
          allowances(context),
          (allowed): Step => {
            const ours = {
              ...allowed,
              auth,
              encrypted: facts.tls !== undefined,
              discarded,
            };
            const reply = accept(250, undefined, ...ehloLines(context.settings, ours));
            return { phase: READY, reply, counts: "good", facts: { ...facts, offer } };
          },
        ),
    );
  });
}

/** EHLO (RFC 5321 §4.1.1.1). It starts anew as HELO does. */
export function ehlo(phase: CommandPhase, context: Context, words: readonly string[]): MaybeAsync<Step> {
  if (words.length < 2) return answer(phase, EHLO_SYNTAX);
  const name = nameIn(words);
  return then(check(context, { phase: READY, stage: "EHLO", subject: { helo: name } }), (refusal) => {
    if (refusal !== undefined) return answer(READY, refusal);
    return then(tellMilters(context, phase, "EHLO", words), (told) => {
      if (told?.code === 421) return answer(READY, told);
      const facts = introduced(context.facts, name, true);
      // Who is refused is offered nothing.
      return announce(context, facts, told !== undefined && told.code >= 500 ? ALL_BUT_STATUS : undefined);
    });
  });
}
