import type { MaybeAsync } from "../base/maybe_async.ts";
import { refuse, type Reply } from "../smtp/reply.ts";
import type { Session } from "./smtpd_session.ts";

/** The refusal of lines that end in a bare LF (smtpd_forbid_bare_newline = reject). */
export function bareNewlineReply({ settings }: Session): Reply {
  return refuse(settings.bareNewlineCode, "5.5.2", `${settings.myhostname} Error: bare <LF> received`);
}

/** Tells the log that a session or message was refused for them. */
export function logBareNewline(session: Session, stage: string): void {
  session.house.logReject(session, stage, "bare <LF> received");
}

/** Tells the log that there were some (smtpd_forbid_bare_newline = note). */
export function noteBareNewline({ house, clientText, where }: Session): void {
  house.deps.log.emit("smtpd", "bareNewline", { client: clientText, where });
}

/** A command line that ended in a bare LF: with `reject` it ends the session, with `note` it is written down. */
export function bareNewlineInCommand(session: Session): { readonly refused: MaybeAsync<void> } | undefined {
  if (session.settings.bareNewline !== "reject") return void noteBareNewline(session);
  logBareNewline(session, session.where);
  return { refused: session.dismiss(bareNewlineReply(session), undefined) };
}
