import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { accept, refuse, type Reply } from "../../smtp/reply.ts";
import { check } from "../ask_policy.ts";
import { ehloLines } from "../ehlo_keywords.ts";
import { LocalDataFault } from "../local_data_fault.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";
import type { Session } from "../smtpd_session.ts";

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

/** Whether the client may use XCLIENT or XFORWARD; without a list nobody may. */
export function mayUse(session: Session, command: "xclient" | "xforward"): MaybeAsync<boolean> {
  if (!session.settings[command]) return false;
  return session.house.deps.listed(`smtpd_authorized_${command}_hosts`, session.client);
}

/** What the answer is made of: whether the two proxy commands are for this client, and what is kept back. */
function announce(session: Session): MaybeAsync<Outcome> {
  const { myhostname, messageSizeLimit, vrfyDisabled, smtputf8 } = session.settings;
  const discarded = session.withheld;
  if (session.keywordsUnknown) {
    throw new LocalDataFault(`don't know what EHLO features to announce to ${session.clientText}`);
  }
  return then(
    mayUse(session, "xclient"),
    (mayXclient) =>
      then(mayUse(session, "xforward"), (mayXforward) =>
        outcomeOf(accept(
          250,
          undefined,
          ...ehloLines({
            myhostname,
            messageSizeLimit,
            vrfyDisabled,
            smtputf8,
            mayXclient,
            mayXforward,
            discarded,
          }),
        ))),
  );
}

const NO_DSN = refuse(501, "5.7.1", "DSN support is disabled");

/** The refusal of a parameter that belongs to a keyword which is kept from the client. */
export function withheldParameter(session: Session, words: readonly string[]): Reply | undefined {
  const { withheld, settings } = session;
  if (withheld.size === 0 && settings.smtputf8) return undefined;
  const withoutUtf8 = withheld.has("SMTPUTF8") || !settings.smtputf8;
  for (const word of words.slice(3)) {
    if (withheld.has("DSN") && /^(?:RET|ENVID|NOTIFY|ORCPT)=/i.test(word)) return NO_DSN;
    if (withoutUtf8 && /^SMTPUTF8$/i.test(word)) return refuse(555, "5.5.4", `Unsupported option: ${word}`);
  }
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
