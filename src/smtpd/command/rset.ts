import { accept, refuse } from "../../smtp/reply.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";
import type { Session } from "../smtpd_session.ts";

const OK = outcomeOf(accept(250, "2.0.0", "Ok"));
const SYNTAX = outcomeOf(refuse(501, "5.5.4", "Syntax: RSET"));

/** RSET drops the transaction (RFC 5321 §4.1.1.5). */
export function rset(session: Session, words: readonly string[]): Outcome {
  if (words.length > 1) return SYNTAX;
  session.abandonMessage();
  return OK;
}
