import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { isAddressLiteral } from "../../address/host_address.ts";
import { isHostname } from "../../address/hostname.ts";
import { defer, refuse } from "../../smtp/reply.ts";
import { check } from "../ask_policy.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";
import type { Session } from "../smtpd_session.ts";

const HELLO_FIRST = outcomeOf(refuse(503, undefined, "Error: send HELO/EHLO first"));
const IN_TRANSACTION = outcomeOf(refuse(503, undefined, "Error: MAIL transaction in progress"));
const SYNTAX = outcomeOf(refuse(500, undefined, "Syntax: ETRN domain"));
const BAD_PARAMETER = outcomeOf(refuse(501, undefined, "Error: invalid parameter syntax"));

function isDomain(name: string): boolean {
  return name.startsWith("[") ? name.endsWith("]") && isAddressLiteral(name.slice(1, -1)) : isHostname(name);
}

/** ETRN (RFC 1985) is refused as Postfix refuses it for a domain that is not in fast_flush_domains: no flush log is kept. */
export function etrn(session: Session, words: readonly string[]): MaybeAsync<Outcome> {
  if (session.settings.heloRequired && session.hello === undefined) return HELLO_FIRST;
  if (session.phase.at !== "ready") return IN_TRANSACTION;
  if (words.length !== 2) return SYNTAX;
  // `@` asks for a domain and its subdomains, `#` for a queue (RFC 1985 §5.3): Postfix takes both for the domain itself.
  const domain = words[1]!.replace(/^[@#]/, "");
  if (!isDomain(domain)) return BAD_PARAMETER;
  return then(check(session, "ETRN", { etrnDomain: domain }), (refusal) => {
    if (refusal !== undefined) return outcomeOf(refusal);
    session.house.deps.log.note("smtpd", "warning", `reject: ETRN ${domain}... from ${session.clientText}`);
    return outcomeOf(defer(459, undefined, `<${domain}>: service unavailable`));
  });
}
