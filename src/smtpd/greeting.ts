import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import { accept, refuse } from "../smtp/reply.ts";
import { check } from "./ask_policy.ts";
import { overConnectionLimit } from "./client_limits.ts";
import type { ClientName } from "../dns/reverse.ts";
import { NAMELESS } from "./deps.ts";
import { ALL_BUT_STATUS, keywordsIn } from "./ehlo_keywords.ts";
import { LocalDataFault } from "./local_data_fault.ts";
import { noteEarlyInput } from "./pipelining.ts";
import type { Session } from "./smtpd_session.ts";

function lookUp(session: Session): MaybeAsync<ClientName> {
  const { address } = session.connection.remote;
  if (!session.settings.peernameLookup || address === "") return NAMELESS;
  return session.house.deps.clientLookup(address);
}

function admit(session: Session, { warning, ...name }: ClientName): void {
  session.client = { ...session.client, ...name };
  if (warning !== undefined) session.house.deps.log.note("smtpd", "warning", warning);
  session.greeted();
}

/** What is kept from this client: by its address, else by the general list. */
function learnKeywords(session: Session): MaybeAsync<void> {
  const { discardedKeywords } = session.house.deps;
  session.withheld = session.settings.discarded;
  session.keywordsUnknown = false;
  if (discardedKeywords === undefined) return;
  const learn = (text: string | undefined) => {
    if (text !== undefined) session.withheld = keywordsIn(text);
  };
  // Who does not ask for keywords does not care: the trouble shows at EHLO.
  const doubt = (error: unknown) => {
    if (!(error instanceof LocalDataFault)) throw error;
    session.house.deps.log.note("smtpd", "warning", error.message);
    session.keywordsUnknown = true;
  };
  try {
    const found = discardedKeywords(session.client.address);
    return isPromise(found) ? found.then(learn, doubt) : learn(found);
  } catch (error) {
    doubt(error);
  }
}

function learnLists(session: Session): MaybeAsync<void> {
  const { bareNewline } = session.settings;
  if (bareNewline === "no") return void (session.lenientNewlines = true);
  return then(
    session.house.deps.listed("smtpd_forbid_bare_newline_exclusions", session.client),
    (excluded) => void (session.lenientNewlines = excluded),
  );
}

/** The first reply: the banner, or what refuses the client (smtpd_delay_reject = no). */
function welcome(session: Session): MaybeAsync<void> {
  return then(check(session, "CONNECT"), (refusal) => {
    session.denied = refusal !== undefined;
    if (session.policy.closed) return turnAway(session);
    return session.say(refusal ?? accept(220, undefined, session.settings.banner));
  });
}

/** The greeting of a client whose mail will not be taken: it is heard, but offered nothing. */
function turnAway(session: Session): MaybeAsync<void> {
  session.withheld = ALL_BUT_STATUS;
  return session.say(
    refuse(554, undefined, `${session.settings.myhostname} ESMTP not accepting connections`),
  );
}

/** The greeting after XCLIENT: what depends on the client is learnt anew. */
export function welcomeAgain(session: Session): MaybeAsync<void> {
  return then(then(learnKeywords(session), () => learnLists(session)), () => welcome(session));
}

/** Learns who the client is and greets it. */
export function greet(session: Session): MaybeAsync<void> {
  return then(lookUp(session), (name) => {
    if (session.gone) return;
    admit(session, name);
    const ended = session.pendingInput === undefined ? undefined : noteEarlyInput(session, "CONNECT");
    if (ended !== undefined) return session.dismiss(ended, undefined);
    return then(overConnectionLimit(session), (refusal) => {
      if (refusal !== undefined) return session.dismiss(refusal, undefined);
      return then(then(learnKeywords(session), () => learnLists(session)), () => welcome(session));
    });
  });
}
