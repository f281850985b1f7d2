import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { parsePath } from "../../address/path.ts";
import { accept, refuse } from "../../smtp/reply.ts";
import { check } from "../ask_policy.ts";
import { overRate } from "../client_limits.ts";
import { misread } from "./mail.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";
import { noEffects } from "../phase.ts";
import type { Session } from "../smtpd_session.ts";

const DISABLED = outcomeOf(refuse(502, "5.5.1", "VRFY command is disabled"));
const SYNTAX = outcomeOf(refuse(501, "5.5.4", "Syntax: VRFY address [SMTPUTF8]"));
const BAD_ADDRESS = refuse(501, "5.1.3", "Bad recipient address syntax");

/**
 * VRFY says whether the address would be taken, by the restrictions that hold for recipients (RFC 5321 §3.5.1); it counts as a
 * recipient.
 */
export function vrfy(session: Session, words: readonly string[]): MaybeAsync<Outcome> {
  if (session.settings.vrfyDisabled) return DISABLED;
  if (words.length < 2) return SYNTAX;
  return then(overRate(session, "recipient"), (slow) => {
    return slow === undefined ? read(session, words) : outcomeOf(slow);
  });
}

function read(session: Session, words: readonly string[]): MaybeAsync<Outcome> {
  const { settings } = session;
  const utf8 = words.length > 2 && words.at(-1)!.toUpperCase() === "SMTPUTF8";
  const given = words.slice(1, utf8 ? -1 : undefined).join(" ");
  const recipient = words.length - Number(utf8) > 2
    ? undefined
    : parsePath(given, { ...settings.path, utf8 });
  if (recipient === undefined || recipient === "") {
    return misread(session, { reply: BAD_ADDRESS, badPath: given });
  }
  const subject = { recipient, recipientAsGiven: recipient, smtputf8: utf8 };
  return then(check(session, "VRFY", subject, noEffects()), (refusal) => {
    return outcomeOf(refusal ?? accept(252, "2.0.0", given));
  });
}
