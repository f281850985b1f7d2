import { refuse } from "../../smtp/reply.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";
import type { Session } from "../smtpd_session.ts";

const SYNTAX = outcomeOf(refuse(501, "5.5.4", "Syntax: STARTTLS"));
const DISABLED = outcomeOf(refuse(502, "5.5.1", "Error: command not implemented"));

/** STARTTLS where no TLS is configured (RFC 3207). */
export function starttls(_session: Session, words: readonly string[]): Outcome {
  return words.length > 1 ? SYNTAX : DISABLED;
}
