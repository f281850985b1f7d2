import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { type BdatCommand, parseBdat } from "../../smtp/command.ts";
import { accept, refuse, type Reply } from "../../smtp/reply.ts";
import { check } from "../ask_policy.ts";
import { onlyRecipient } from "../facts.ts";
import { contentPlace, endOfMessage, newDecoder } from "./data.ts";
import type { Outcome } from "../outcome.ts";
import { outcomeOf } from "../outcome.ts";
import { type Chunk, type Content, READY } from "../phase.ts";
import type { Session } from "../smtpd_session.ts";
import { beginMessage } from "../submission.ts";

const NULL_CHUNK = refuse(551, "5.7.1", "Null BDAT request");
const TOO_BIG = refuse(552, "5.3.4", "Chunk exceeds message size limit");

const NOT_IMPLEMENTED = outcomeOf(refuse(521, "5.5.1", "Error: command not implemented"));

function warn(session: Session, id: string | undefined, text: string): void {
  session.house.deps.log.note("smtpd", "warning", `${id ?? "NOQUEUE"}: ${text}`);
}

function idOf(session: Session): string | undefined {
  if (session.phase.at === "transaction") return session.phase.transaction.id;
  return session.phase.at === "bdat" ? session.phase.content?.transaction.id : undefined;
}

/** Throws a chunk away and then answers; until LAST or RSET all others go the same way. */
function discard(session: Session, command: BdatCommand, reply: Reply): Outcome {
  if (session.phase.at === "bdat") session.phase.content?.message.abort();
  session.pendingReply = reply;
  session.phase = { at: "bdat", content: undefined, chunk: chunkOf(command) };
  return { counts: "later" };
}

const chunkOf = ({ size, last }: BdatCommand): Chunk => ({ size, remaining: size, last });

function receive(session: Session, content: Content, command: BdatCommand): Outcome {
  const limit = session.settings.messageSizeLimit;
  if (limit > 0 && command.size > limit - content.message.size) {
    const { id } = content.transaction;
    warn(session, id, `BDAT request from ${session.clientText} exceeds message size limit`);
    return discard(session, command, TOO_BIG);
  }
  session.pendingReply = undefined;
  session.phase = { at: "bdat", content, chunk: chunkOf(command) };
  return { counts: "later" };
}

function firstChunk(session: Session, command: BdatCommand): MaybeAsync<Outcome> {
  const place = contentPlace(session);
  if ("counts" in place) return discard(session, command, place.reply!);
  return then(check(session, "DATA", onlyRecipient(session)), (refusal) => {
    if (refusal !== undefined) return discard(session, command, refusal);
    const message = beginMessage(session, place, place.id!);
    return receive(session, { transaction: place, decoder: newDecoder(session, true), message }, command);
  });
}

function accepted(session: Session, command: BdatCommand): MaybeAsync<Outcome> {
  const { phase } = session;
  if (phase.at === "bdat" && phase.content === undefined) {
    return discard(
      session,
      command,
      refuse(551, "5.0.0", `Discarded ${command.size} bytes after earlier error`),
    );
  }
  if (command.size === 0 && !command.last) {
    warn(session, idOf(session), `null BDAT request from ${session.clientText}`);
    return discard(session, command, NULL_CHUNK);
  }
  if (phase.at === "bdat" && phase.content !== undefined) return receive(session, phase.content, command);
  return firstChunk(session, command);
}

/** BDAT size [LAST]: the next bytes are content as they are (RFC 3030 §2). The reply comes after them. */
export function bdat(session: Session, words: readonly string[], line: string): MaybeAsync<Outcome> {
  if (session.withheld.has("CHUNKING")) return NOT_IMPLEMENTED;
  const command = parseBdat(words);
  if (command.verb !== "malformed") {
    return then(accepted(session, command), (outcome) => {
      return command.size > 0 ? outcome : then(endOfChunk(session), () => outcome);
    });
  }
  warn(
    session,
    idOf(session),
    `malformed BDAT command syntax from ${session.clientText}: ${line.slice(0, 100)}`,
  );
  return outcomeOf(command.reply);
}

/** All bytes of a chunk are here: answer it, and after the last one commit. */
function endOfChunk(session: Session): MaybeAsync<void> {
  if (session.phase.at !== "bdat" || session.phase.chunk === undefined) return;
  const { content, chunk } = session.phase;
  if (content === undefined) {
    session.phase = chunk.last ? READY : { at: "bdat", content, chunk: undefined };
    return session.finishContent(session.pendingReply!, "bdat");
  }
  if (!chunk.last) {
    session.phase = { at: "bdat", content, chunk: undefined };
    return session.finishContent(accept(250, "2.0.0", `Ok: ${chunk.size} bytes`), "bdat");
  }
  const tail = content.decoder.finish();
  const written = tail.length === 0 ? undefined : content.message.write(tail);
  return then(written, () => {
    const { size } = content.message;
    return endOfMessage(session, content, "bdat", (id) => `Ok: ${size} bytes queued as ${id}`);
  });
}

/** Takes what has come of a chunk. */
export function takeChunk(session: Session, input: Buffer, unread: (rest: Buffer) => void): MaybeAsync<void> {
  if (session.phase.at !== "bdat" || session.phase.chunk === undefined) return;
  const { content, chunk } = session.phase;
  const bytes = input.subarray(0, chunk.remaining);
  chunk.remaining -= bytes.length;
  unread(input.subarray(bytes.length));
  const clean = content?.decoder.push(bytes).content;
  const written = clean === undefined || clean.length === 0 ? undefined : content!.message.write(clean);
  return chunk.remaining > 0 ? written : then(written, () => endOfChunk(session));
}
