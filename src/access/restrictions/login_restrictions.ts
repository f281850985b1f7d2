import { then } from "../../base/maybe_async.ts";
import { splitList } from "../../config/syntax/list.ts";
import { addressSubject, resolved } from "./address_restrictions.ts";
import { firstFound } from "../table/access_table.ts";
import { lookupVerdict } from "../table/lookup_verdict.ts";
import type { DefaultCheck, Query, Restriction, Verdict } from "../restriction.ts";
import { DUNNO, lookupFailure, reject, rejectedText, serverError, warned } from "../verdict.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/** Which clients a login check is about, and what it says of senders that nobody owns. */
export interface LoginRule {
  readonly loggedIn: boolean;
  readonly loggedOut: boolean;
  /** A sender that is not in smtpd_sender_login_maps: anybody's, or nobody's. */
  readonly unknownSender: "allowed" | "refused";
}

/** The reject_*sender_login_mismatch family: a sender address that smtpd_sender_login_maps gives to somebody else. */
export function rejectLoginMismatch(
  deps: RestrictionDeps,
  names: readonly string[],
  rule: LoginRule,
): Restriction {
  if (!deps.settings.smtpd_sasl_auth_enable) {
    const texts = names.map((name) => `restriction \`${name}' ignored: no SASL support`);
    return () => warned(...texts);
  }
  const maps = deps.openTables.maps(deps.settings.smtpd_sender_login_maps, "smtpd_sender_login_maps");
  return (query) => {
    const { sender, saslUsername } = query.facts;
    if (sender === undefined || sender === "") return DUNNO;
    const loggedIn = saslUsername !== undefined;
    if (loggedIn ? !rule.loggedIn : !rule.loggedOut) return DUNNO;
    return resolved(query, "sender", sender, (resolution) => {
      if (maps === undefined) return ownership(undefined, sender, saslUsername, rule);
      return then(deps.find(maps, resolution.recipient.toLowerCase()), ({ answer }) => {
        if (answer.is === "trouble") {
          return answer.retry ? lookupFailure(sender, answer.why) : serverError(answer.why);
        }
        return ownership(answer.is === "found" ? answer.value : undefined, sender, saslUsername, rule);
      });
    });
  };
}

function ownership(
  owners: string | undefined,
  sender: string,
  user: string | undefined,
  rule: LoginRule,
): Verdict {
  const about = addressSubject("sender", sender);
  if (user === undefined) {
    return owners === undefined ? DUNNO : reject(553, "5.7.1", rejectedText(about, "not logged in"));
  }
  if (owners === undefined && rule.unknownSender === "allowed") return DUNNO;
  const folded = user.toLowerCase();
  if (owners !== undefined && splitList(owners).some((owner) => owner.toLowerCase() === folded)) return DUNNO;
  return reject(553, "5.7.1", rejectedText(about, `not owned by user ${user}`));
}

/** check_sasl_access: rules by login name (access(5)), whatever the mechanism: an anonymous one has a name too. */
export function checkSaslAccess(
  deps: RestrictionDeps,
  spec: string,
  defaultCheck: DefaultCheck | undefined,
  name: string,
): Restriction {
  if (!deps.settings.smtpd_sasl_auth_enable) {
    return () => (warned(`restriction \`${name}' ignored: no SASL support`));
  }
  const table = deps.openTables.table(spec);
  return (query: Query) => {
    const { saslUsername } = query.facts;
    if (saslUsername === undefined || saslUsername === "") return DUNNO;
    const shown = saslUsername.replace(/[\x00-\x1f\x7f]/g, "_");
    const about = { name: shown, class: "SASL login name" as const };
    const question = { table, datum: saslUsername, about, query, defaultCheck };
    return then(
      firstFound(table, [saslUsername]),
      (answer) => lookupVerdict(deps, question, answer),
    );
  };
}
