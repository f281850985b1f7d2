import type { Reply } from "../smtp/reply.ts";
import type { SmtpdDeps } from "./deps.ts";
import type { Subject } from "./facts.ts";
import type { Session } from "./smtpd_session.ts";

/** What all sessions of a service share. */
export interface House {
  readonly deps: SmtpdDeps;
  /** No new mail is taken any more. */
  readonly stopping: boolean;
  /** A session is over: its slot is free. */
  leave(session: Session): void;
  /** `NOQUEUE: reject: STAGE from CLIENT: TEXT; from=<> to=<> proto= helo=<>`. */
  logReject(session: Session, stage: string, text: string, subject?: Subject): void;
  /** The same with another verb, for notes of access actions. */
  logNote(session: Session, verb: string, stage: string, text: string, subject?: Subject): void;
  /** A table that the session cannot do without is in trouble: the warning, and what the client is told. */
  logDataFault(session: Session, warning: string, reply: Reply): void;
  /** Trouble of ours inside a session. */
  fault(error: unknown): void;
}
