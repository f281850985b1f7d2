import type { Failure } from "../../delivery/smtp/failure.ts";
import type { ServerTrial } from "../../delivery/smtp/try_site.ts";
import { type CheckResult, ok, problem, warning } from "../check_result.ts";

/** What is known of TLS on the way out. */
export interface TlsFacts {
  /** smtp_tls_security_level of the client. */
  readonly level: string;
  /** Tries at servers of the receiver, where one was named. */
  readonly trials: readonly ServerTrial[] | Failure | undefined;
}

const NAME = "TLS";

/** Whether mail leaves under TLS: large receivers demand it of whoever sends much. */
export function checkTls({ level, trials }: TlsFacts): CheckResult[] {
  const own = level === "none" || level === ""
    ? warning(
      NAME,
      `mail leaves in the clear (smtp_tls_security_level${level === "" ? " is empty" : " = none"})`,
      {
        fix: "mta postconf -e smtp_tls_security_level=may (or dane, with a validating resolver)",
      },
    )
    : ok(NAME, `smtp_tls_security_level = ${level}: TLS wherever it is offered`);
  if (trials === undefined) return [own];
  if ("text" in trials) return [own, problem("receiver", trials.text)];
  return [own, ...trials.map(checkTrial)];
}

function checkTrial({ relay, failure, tls }: ServerTrial): CheckResult {
  if (failure !== undefined) return problem("receiver", failure.text, { fix: "see the words of the server" });
  if (tls === undefined) return warning("receiver", `${relay} takes mail in the clear`);
  return ok("receiver", `${relay} takes mail under ${tls.facts.protocol} (${tls.trust.toLowerCase()})`);
}
