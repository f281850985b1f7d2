import { type MaybeAsync, then } from "../base/maybe_async.ts";
import { accept, refuse } from "../smtp/reply.ts";
import { check } from "./check.ts";
import { type EhloKeyword, ehloLines, keywordsIn } from "./ehlo_keywords.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import type { Session } from "./session.ts";

/** The name as it goes into logs and headers: what could break out of those becomes `?`. */
function neuter(words: readonly string[]): string {
  return words.slice(1).join(" ").replace(/[ <>()\\";@\x00-\x1f\x7f]/g, "?");
}

/** HELO and EHLO start anew: the old name, the transaction and an old login are gone (RFC 5321 §4.1.4). */
function enter(session: Session, name: string, esmtp: boolean): void {
  session.abandonMessage();
  session.hello = { name, esmtp };
  session.esmtp = esmtp;
}

/** HELO (RFC 5321 §4.1.1.1). */
export function helo(session: Session, words: readonly string[]): MaybeAsync<Outcome> {
  if (words.length < 2) return outcomeOf(refuse(501, undefined, "Syntax: HELO hostname"));
  const name = neuter(words);
  session.abandonMessage();
  return then(check(session, "HELO", { helo: name }), (refusal) => {
    if (refusal !== undefined) return outcomeOf(refusal);
    enter(session, name, false);
    return outcomeOf(accept(250, undefined, session.settings.myhostname));
  });
}

function discarded(session: Session): MaybeAsync<ReadonlySet<EhloKeyword>> {
  const { discardedKeywords } = session.house.deps;
  if (discardedKeywords === undefined) return session.settings.discarded;
  return then(discardedKeywords(session.client.address), (text) => {
    return text === undefined ? session.settings.discarded : keywordsIn(text);
  });
}

/** Whether the client may use XCLIENT or XFORWARD; without a list nobody may. */
export function mayUse(session: Session, command: "xclient" | "xforward"): MaybeAsync<boolean> {
  if (!session.settings[command]) return false;
  return session.house.deps.listed(`smtpd_authorized_${command}_hosts`, session.client);
}

function announce(session: Session): MaybeAsync<Outcome> {
  const { myhostname, messageSizeLimit, vrfyDisabled, smtputf8 } = session.settings;
  return then(
    discarded(session),
    (discarded) =>
      then(mayUse(session, "xclient"), (mayXclient) =>
        then(mayUse(session, "xforward"), (mayXforward) => {
          const lines = ehloLines({
            myhostname,
            messageSizeLimit,
            vrfyDisabled,
            smtputf8,
            mayXclient,
            mayXforward,
            discarded,
          });
          return outcomeOf(accept(250, undefined, ...lines));
        })),
  );
}

/** EHLO (RFC 5321 §4.1.1.1). */
export function ehlo(session: Session, words: readonly string[]): MaybeAsync<Outcome> {
  if (words.length < 2) return outcomeOf(refuse(501, undefined, "Syntax: EHLO hostname"));
  const name = neuter(words);
  session.abandonMessage();
  return then(check(session, "EHLO", { helo: name }), (refusal) => {
    if (refusal !== undefined) return outcomeOf(refusal);
    enter(session, name, true);
    return announce(session);
  });
}
