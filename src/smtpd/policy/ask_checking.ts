import type { Facts } from "../../access/policy.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Context } from "../context.ts";

/** Whether the content of this client's mail is checked (mail_authentication, mail_authentication_exempt). */
export function askChecking({ deps }: Context, facts: Facts): MaybeAsync<boolean> {
  const { access, authentication, log } = deps;
  if (authentication === undefined || access.checksContent === undefined) return false;
  return then(access.checksContent(facts), ({ checks, warnings }) => {
    for (const warning of warnings ?? []) log.note("smtpd", "warning", warning);
    return checks;
  });
}
