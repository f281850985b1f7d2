import { clientText } from "../../access/reply/client_text.ts";
import { inTime } from "../../base/in_time.ts";
import { isPromise, type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { ClientName } from "../../dns/reverse.ts";
import { accept, classed, defer, refuse, type Reply } from "../../smtp/reply.ts";
import { learnOffer } from "../policy/auth_offer.ts";
import { askMilters } from "../policy/ask_milters.ts";
import { check } from "../policy/ask_policy.ts";
import { countConnection, countedRange, overTlsRate } from "../policy/client_limits.ts";
import type { Context } from "../context.ts";
import { type Discarded, discardedIn } from "../ehlo_keywords.ts";
import type { Input } from "../input.ts";
import { LocalDataFault } from "../local_data_fault.ts";
import { type Phase, type PhaseAt, READY, SECURING } from "../phase.ts";
import { noteEarlyInput } from "../policy/pipelining.ts";
import { NAMELESS, type SessionFacts } from "../session_facts.ts";
import { CLOSE, dismissal, type Step } from "../step.ts";
import { beginTls } from "../tls/begin_tls.ts";

const WELCOMING = { at: "welcoming" } as const;
const WRAPPING = { at: "wrapping" } as const;
const COUNTING = { at: "counting" } as const;
const LIMITING = { at: "limiting" } as const;
const DENIED = { at: "denied" } as const;
/** A name that is not found in time is not known for now, as when no name server answers: the client is not to go for it. */
const NOT_FOUND_YET: ClientName = { ...NAMELESS, nameStatus: 4, reverseNameStatus: 4 };

function find({ settings, deps, facts }: Context): MaybeAsync<ClientName> {
  const { address } = facts.peer;
  if (!settings.peernameLookup || address === "") return NAMELESS;
  const found = deps.clientLookup(address);
  if (!isPromise(found)) return found;
  return inTime(found, { clock: deps.clock, limit: settings.timeout, late: NOT_FOUND_YET });
}

/** Looks up who the client is. */
export function lookUp(context: Context): MaybeAsync<Step> {
  return then(find(context), (name) => ({ phase: { at: "named", name } }));
}

/** Tells the log of the client, from which on it is known there. */
export function admit(context: Context, phase: PhaseAt<"named">): Step {
  const { warning, ...names } = phase.name;
  const { deps: { log }, settings, facts: { client: { address, port } } } = context;
  if (warning !== undefined) log.note("smtpd", "warning", warning);
  const client = { address, port, ...names };
  log.emit("smtpd", "connect", { client: clientText(client, settings.portLogging) });
  const phaseAfter = settings.tls.wrapper ? WRAPPING : COUNTING;
  return { phase: phaseAfter, facts: { ...context.facts, client } };
}

/** TLS begins; the client is told nothing where it cannot (smtpd_tls_wrappermode). */
export function wrap(context: Context, phase: PhaseAt<"wrapping">): MaybeAsync<Step> {
  const { deps: { log }, clientText, settings: { service } } = context;
  const refused = (why: string): Step => {
    log.note("smtpd", "warning", why);
    return { phase, after: CLOSE };
  };
  return then(overTlsRate(context), (over): MaybeAsync<Step> => {
    if (over) return refused(`Refusing TLS service request from ${clientText} for service ${service}`);
    return then(
      beginTls(context, { atOnce: true, next: COUNTING }),
      (after): Step =>
        after === undefined
          ? refused(
            `Wrapper-mode request dropped from ${clientText} for service ${service}. TLS context initialization failed. ` +
              "For details see earlier warnings in your logs.",
          )
          : { phase: SECURING, after },
    );
  });
}

/** Whoever speaks before the greeting may be sent away; others are counted or not. */
export function count(context: Context, phase: PhaseAt<"counting">, input: Input): MaybeAsync<Step> {
  const early = noteEarlyInput(context, input.pending, "CONNECT");
  if (early?.refusal !== undefined) return dismissal(phase, early.refusal);
  const facts = early?.facts ?? context.facts;
  return then(countedRange(context), (countedAs) => ({
    phase: LIMITING,
    facts: countedAs === facts.countedAs ? facts : { ...facts, countedAs },
  }));
}

/** Refuses one connection too many. */
export function limit(context: Context, phase: PhaseAt<"limiting">): MaybeAsync<Step> {
  return then(countConnection(context), ({ connections, refusal }): Step => {
    if (refusal !== undefined) return dismissal(phase, refusal);
    return { phase: WELCOMING, facts: connections === 0 ? undefined : { ...context.facts, connections } };
  });
}

type Keywords = Pick<SessionFacts, "withheld" | "withheldSilently" | "keywordsUnknown">;

function withheld({ keywords, isSilent }: Discarded, keywordsUnknown = false): Keywords {
  return { withheld: keywords, withheldSilently: isSilent, keywordsUnknown };
}

/** What is kept from this client: by its address, else by the general list. */
function learnKeywords({ deps, settings, facts }: Context): MaybeAsync<Keywords> {
  const general = settings.discarded;
  if (deps.discardedKeywords === undefined) return withheld(general);
  const learn = (text: string | undefined) => withheld(text === undefined ? general : discardedIn(text));
  // Who does not ask for keywords does not care: the trouble shows at EHLO.
  const doubt = (error: unknown): Keywords => {
    if (!(error instanceof LocalDataFault)) throw error;
    deps.log.note("smtpd", "warning", error.message);
    return withheld(general, true);
  };
  try {
    const found = deps.discardedKeywords(facts.client.address);
    return isPromise(found) ? found.then(learn, doubt) : learn(found);
  } catch (error) {
    return doubt(error);
  }
}

function learnNewlines({ settings, deps, facts }: Context): MaybeAsync<boolean> {
  if (settings.bareNewline === "no") return true;
  return deps.listed("smtpd_forbid_bare_newline_exclusions", facts.client);
}

/** The greeting of a client whose mail will not be taken: it is heard, but offered nothing. */
function turnAway({ settings }: Context, phase: Phase, facts: SessionFacts): Step {
  const text = `${settings.myhostname} ESMTP not accepting connections`;
  return { phase, facts, reply: classed(refuse(554, undefined, text), "policy"), counts: "bad" };
}

/** A service that is to let clients log in, and cannot, greets nobody. */
function greet(
  context: Context,
  phase: Phase,
  facts: SessionFacts,
  refusal: Reply | undefined,
): MaybeAsync<Step> {
  return then(learnOffer(context, phase), (learned): Step => {
    if ("end" in learned) return learned.end;
    const reply = refusal ?? accept(220, undefined, context.settings.banner);
    return { phase, facts: { ...facts, offer: learned.offer }, reply };
  });
}

/** The client's milters are told of it (smtpd_milters): refused for now it is greeted all the same, and hears it at MAIL. */
function openMilters(context: Context, phase: Phase, given: SessionFacts): MaybeAsync<Step> {
  const { deps, clientText, settings, policy, where } = context;
  return then(deps.milters?.(given.client.address), (milters) => {
    if (milters === undefined) return greet(context, READY, given, undefined);
    const facts = { ...given, milters };
    const known = { deps, clientText, settings, policy, where, facts };
    const told = askMilters(known, { phase, stage: where }, (chain, macros) => {
      return chain.connect(given.client, macros);
    });
    return then(told, (refusal) => {
      if (refusal === undefined || (refusal.code < 500 && refusal.code !== 421)) {
        return greet(context, READY, facts, undefined);
      }
      if (refusal.code >= 500) return turnAway(context, READY, facts);
      const text = `${settings.myhostname} Service unavailable - try again later`;
      return { phase, facts, reply: defer(421, undefined, text) };
    });
  });
}

/** Learns what depends on the client, and greets it: with the banner, or with what refuses it (smtpd_delay_reject = no). */
export function welcome(context: Context, phase: PhaseAt<"welcoming">): MaybeAsync<Step> {
  return then(
    learnKeywords(context),
    (keywords) =>
      then(learnNewlines(context), (lenientNewlines) => {
        const facts = { ...context.facts, ...keywords, lenientNewlines };
        return then(check(context, { phase, stage: "CONNECT" }), (refusal) => {
          if (refusal !== undefined) return greet(context, DENIED, facts, refusal);
          return openMilters(context, phase, facts);
        });
      }),
  );
}
