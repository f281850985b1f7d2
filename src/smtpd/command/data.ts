import { isPromise, type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Committed } from "../../cleanup/cleanup.ts";
import { DataDecoder } from "../../smtp/data_decoder.ts";
import { accept, refuse, type Reply } from "../../smtp/reply.ts";
import { bareNewlineReply, logBareNewline, noteBareNewline } from "../bare_newline.ts";
import { check } from "../ask_policy.ts";
import { onlyRecipient } from "../facts.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";
import { type Content, READY, type Transaction } from "../phase.ts";
import type { Session } from "../smtpd_session.ts";
import { beginMessage, lateChanges } from "../submission.ts";
import type { Counted } from "../statistics.ts";

const GO_ON: Reply = accept(354, undefined, "End data with <CR><LF>.<CR><LF>");
const SYNTAX = outcomeOf(refuse(501, "5.5.4", "Syntax: DATA"));
const NEED_RCPT = outcomeOf(refuse(503, "5.5.1", "Error: need RCPT command"));
const NO_RCPT = outcomeOf(refuse(554, "5.5.1", "Error: no valid recipients"));
const AFTER_BDAT = outcomeOf(refuse(503, "5.5.1", "Error: DATA after BDAT"));

/** The transaction that content may follow now; or what refuses it (RFC 5321 §4.1.1.4). */
export function contentPlace(session: Session): Transaction | Outcome {
  const { phase } = session;
  if (phase.at !== "transaction") return NEED_RCPT;
  return phase.transaction.recipients.length === 0 ? NO_RCPT : phase.transaction;
}

/** How content of this session is decoded. */
export function newDecoder(session: Session, counted: boolean): DataDecoder {
  return new DataDecoder({
    lenient: session.lenientNewlines,
    keepBareCr: session.settings.keepBareCr,
    counted,
  });
}

/** DATA (RFC 5321 §4.1.1.4). The reply 354 counts only when the message is in. */
export function data(session: Session, words: readonly string[]): MaybeAsync<Outcome> {
  if (session.phase.at === "bdat") return AFTER_BDAT;
  const place = contentPlace(session);
  if ("counts" in place) return place;
  if (words.length > 1) return SYNTAX;
  return then(check(session, "DATA", onlyRecipient(session)), (refusal) => {
    if (refusal !== undefined) return outcomeOf(refusal);
    const message = beginMessage(session, place, place.id!);
    session.phase = {
      at: "data",
      content: { transaction: place, decoder: newDecoder(session, false), message },
    };
    return { reply: GO_ON, counts: "later" } as const;
  });
}

function tooManyBareNewlines(session: Session, { decoder }: Content): boolean {
  if (!decoder.bareLf || session.lenientNewlines) return false;
  if (session.settings.bareNewline === "note") noteBareNewline(session);
  return session.settings.bareNewline === "reject";
}

/** Asks the last questions and commits. The transaction stays open only when a restriction refuses. */
async function judgeAndCommit(session: Session, content: Content): Promise<Committed | undefined> {
  const { transaction, message } = content;
  if (tooManyBareNewlines(session, content)) {
    logBareNewline(session, "END-OF-MESSAGE");
    session.abandonMessage();
    return { is: "refused", reply: bareNewlineReply(session) };
  }
  const asked = check(session, "END-OF-MESSAGE", { ...onlyRecipient(session), size: message.size });
  const refusal = isPromise(asked) ? await asked : asked;
  if (session.gone) return undefined;
  if (refusal !== undefined) {
    message.abort();
    session.phase = { at: "transaction", transaction };
    return { is: "refused", reply: refusal };
  }
  // From here on the store decides; a client that hangs up now must not tear the message away.
  session.phase = READY;
  return await message.commit(lateChanges(transaction));
}

/** The end of a message, by DATA or by BDAT: after the 250 it is ours (RFC 5321 §6.1). */
export async function endOfMessage(
  session: Session,
  content: Content,
  counted: Counted,
  done: (id: string, size: number) => string,
): Promise<void> {
  session.where = "END-OF-MESSAGE";
  const committed = await judgeAndCommit(session, content);
  if (committed === undefined) return;
  if (committed.is === "refused") return await session.finishContent(committed.reply, counted);
  // A delivered message wipes the slate: errors and junk commands start from nothing.
  session.errors = 0;
  session.junk = 0;
  await session.finishContent(accept(250, "2.0.0", done(committed.id, committed.size)), counted);
}

/** Takes what has come of a message after DATA. */
export function takeData(session: Session, input: Buffer, unread: (rest: Buffer) => void): MaybeAsync<void> {
  if (session.phase.at !== "data") return;
  const { content } = session.phase;
  const { content: bytes, rest } = content.decoder.push(input);
  const written = bytes.length === 0 ? undefined : content.message.write(bytes);
  if (rest === undefined) return written;
  unread(rest);
  return then(written, () => endOfMessage(session, content, "data", (id) => `Ok: queued as ${id}`));
}
