import { type MaybeAsync, then } from "../base/maybe_async.ts";
import { accept, defer, type Reply } from "../smtp/reply.ts";
import { check } from "./check.ts";
import { type ClientName, NAMELESS } from "./deps.ts";
import { keywordsIn } from "./ehlo_keywords.ts";
import { mayUse } from "./helo.ts";
import { noteEarlyInput } from "./pipelining.ts";
import type { Session } from "./session.ts";

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

/** Whether a client's doings are counted: not those of listed clients, nor of ones that may speak for others (XCLIENT). */
function isCounted(session: Session): MaybeAsync<boolean> {
  const { connectionCountLimit, connectionRateLimit, messageRateLimit, recipientRateLimit } =
    session.settings;
  const limited = connectionCountLimit + connectionRateLimit + messageRateLimit + recipientRateLimit > 0;
  if (session.house.deps.anvil === undefined || !limited) return false;
  return then(
    session.house.deps.listed("smtpd_client_event_limit_exceptions", session.client),
    (excepted) => {
      return excepted ? false : then(mayUse(session, "xclient"), (may) => !may);
    },
  );
}

/** smtpd_client_connection_count_limit and smtpd_client_connection_rate_limit. */
function overLimit(session: Session): MaybeAsync<Reply | undefined> {
  const { anvil, log } = session.house.deps;
  const { connectionCountLimit: most, connectionRateLimit: fastest, service, myhostname } = session.settings;
  const { address } = session.client;
  return then(isCounted(session), (counted) => {
    if (!counted || anvil === undefined) return undefined;
    session.counted = true;
    session.countedAddress = address;
    return then(anvil.connect(service, address), ({ count, rate }) => {
      const tooMany = most > 0 && count > most;
      if (!tooMany && (fastest === 0 || rate <= fastest)) return undefined;
      const kind = tooMany ? "Connection concurrency" : "Connection rate";
      const number = tooMany ? count : rate;
      log.emit("smtpd", "limitExceeded", { kind, number, client: session.clientText, service });
      return defer(421, "4.7.0", `${myhostname} Error: too many connections from ${address}`);
    });
  });
}

/** What is kept from this client: by its address, else by the general list. */
function learnKeywords(session: Session): MaybeAsync<void> {
  const { discardedKeywords } = session.house.deps;
  session.withheld = session.settings.discarded;
  if (discardedKeywords === undefined) return;
  return then(discardedKeywords(session.client.address), (text) => {
    if (text !== undefined) session.withheld = keywordsIn(text);
  });
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
    return session.say(refusal ?? accept(220, undefined, session.settings.banner));
  });
}

/** The greeting after XCLIENT: what depends on the client is learnt anew. */
export function welcomeAgain(session: Session): MaybeAsync<void> {
  return then(then(learnKeywords(session), () => learnLists(session)), () => welcome(session));
}

/** Learns who the client is and greets it. */
export function greet(session: Session): MaybeAsync<void> {
  return then(lookUp(session), (name) => {
    admit(session, name);
    return then(overLimit(session), (refusal) => {
      if (refusal !== undefined) return session.dismiss(refusal, undefined);
      return then(then(learnKeywords(session), () => learnLists(session)), () => {
        if (session.pendingInput !== undefined) {
          const ended = noteEarlyInput(session, "CONNECT");
          if (ended !== undefined) return session.dismiss(ended, undefined);
        }
        return welcome(session);
      });
    });
  });
}
