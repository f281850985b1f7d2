import type { Decision } from "../../access/policy.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { releaseBytes } from "../../base/release_bytes.ts";
import { accept, printReply, type Reply } from "../../smtp/reply.ts";
import { limitSending } from "../policy/sending_limits.ts";
import { check } from "../policy/ask_policy.ts";
import { noteBareNewline, refuseBareNewline } from "../policy/bare_newline.ts";
import type { Context } from "../context.ts";
import { envelopeText, onlyRecipient, type Subject } from "../facts.ts";
import type { Input } from "../input.ts";
import { type Content, type Phase, type PhaseAt, READY } from "../phase.ts";
import type { Step } from "../step.ts";
import { lateChanges } from "../message/submission.ts";

/** What content leads to: the command that began it has been counted already. */
function answerContent(phase: Phase, reply: Reply, counted: "data" | "bdat"): Step {
  return { phase, reply, counted, counts: reply.code < 400 ? "done" : "failed" };
}

/** Content on its way, to be checked and to be kept. */
function write({ check, message }: Content, bytes: Uint8Array): MaybeAsync<void> {
  if (bytes.length === 0) return;
  check?.push(bytes);
  return message.write(bytes);
}

/** Writes to the message, and then gives back what that came in. A filter's connection may have it for longer. */
function writeAway(content: Content, decoded: Buffer, came: Buffer, input: Input): MaybeAsync<void> {
  const written = write(content, decoded);
  if (content.transaction.filter !== undefined || input.size > 0) return written;
  return then(written, () => {
    releaseBytes(decoded);
    releaseBytes(came);
  });
}

/** Takes what has come of a message after DATA. */
export function takeData(phase: PhaseAt<"data">, input: Input): MaybeAsync<Step> | undefined {
  const bytes = input.takeAll();
  if (bytes === undefined) return undefined;
  const { content } = phase;
  const { content: decoded, rest } = content.decoder.push(bytes);
  if (rest !== undefined) input.putBack(rest);
  return then(
    writeAway(content, decoded, bytes, input),
    () => rest === undefined ? { phase } : { phase: { at: "ended", content, by: "data" } },
  );
}

/** Takes what has come of a BDAT chunk; an empty chunk is over at once. */
export function takeChunk(phase: PhaseAt<"chunk">, input: Input): MaybeAsync<Step> | undefined {
  const { content, chunk } = phase;
  if (chunk.remaining === 0) return endOfChunk(phase);
  const bytes = takeUpTo(chunk.remaining, input);
  if (bytes === undefined) return undefined;
  const decoded = content.decoder.push(bytes).content;
  const left: Phase = { ...phase, chunk: { ...chunk, remaining: chunk.remaining - bytes.length } };
  return then(writeAway(content, decoded, bytes, input), () => ({ phase: left }));
}

/** Throws away what has come of a chunk, and answers when it is over. */
export function skipChunk(phase: PhaseAt<"skipping">, input: Input): Step | undefined {
  const { chunk, reply } = phase;
  if (chunk.remaining === 0) return answerContent(chunk.last ? READY : { at: "discarding" }, reply, "bdat");
  const bytes = takeUpTo(chunk.remaining, input);
  if (bytes === undefined) return undefined;
  return { phase: { ...phase, chunk: { ...chunk, remaining: chunk.remaining - bytes.length } } };
}

function takeUpTo(most: number, input: Input): Buffer | undefined {
  const bytes = input.takeAll();
  if (bytes === undefined || bytes.length <= most) return bytes;
  input.putBack(bytes.subarray(most));
  return bytes.subarray(0, most);
}

function endOfChunk({ content, chunk: { last, size } }: PhaseAt<"chunk">): MaybeAsync<Step> {
  if (!last) return answerContent({ at: "bdat", content }, accept(250, "2.0.0", `Ok: ${size} bytes`), "bdat");
  const tail = content.decoder.finish();
  const written = write(content, tail);
  return then(written, () => ({ phase: { at: "ended", content, by: "bdat" } }));
}

function hasForbiddenNewlines(context: Context, { decoder }: Content): boolean {
  if (!decoder.bareLf || context.facts.lenientNewlines) return false;
  if (context.settings.bareNewline === "note") noteBareNewline(context);
  return context.settings.bareNewline === "reject";
}

/** Asks the last questions. The transaction stays open only when a restriction refuses. */
export function judgeContent(context: Context, phase: PhaseAt<"ended">): MaybeAsync<Step> {
  const { content, by } = phase;
  if (hasForbiddenNewlines(context, content)) {
    return answerContent(READY, refuseBareNewline(context, phase, "END-OF-MESSAGE"), by);
  }
  return then(
    content.check?.end(),
    (checked) =>
      judge(context, phase, {
        size: content.message.size,
        ...(checked !== undefined && { content: checked }),
      }),
  );
}

function judge(
  context: Context,
  phase: PhaseAt<"ended">,
  known: Pick<Subject, "size" | "content">,
): MaybeAsync<Step> {
  const { content, by } = phase;
  const subject = { ...onlyRecipient(phase), ...known };
  const heard = (decision: Decision) => content.check?.judged(decision);
  return then(check(context, { phase, stage: "END-OF-MESSAGE", subject, heard }), (refusal) => {
    if (refusal === undefined) {
      return then(
        limitSending(context, phase),
        (unknown): Step =>
          unknown === undefined
            ? { phase: { at: "committing", content, by } }
            : answerContent(READY, unknown, by),
      );
    }
    // A filter has the content already: it cannot take another one for this transaction.
    const { transaction } = content;
    return answerContent(
      transaction.filter === undefined ? { at: "transaction", transaction } : READY,
      refusal,
      by,
    );
  });
}

/** What a filter says of a message is the answer to the client. */
function passAnswer(context: Context, { content, by }: PhaseAt<"committing">, reply: Reply): Step {
  const { transaction } = content;
  const taken = reply.code < 300;
  context.deps.log.emit("smtpd", "filtered", {
    verb: taken ? "proxy-accept" : "proxy-reject",
    reply: printReply(reply).trimEnd().replaceAll("\r\n", "??"),
    envelope: envelopeText(context, { at: "transaction", transaction }, {
      recipient: transaction.recipients[0]?.original,
    }),
  });
  return { phase: READY, reply, counted: by, counts: taken ? "delivered" : "failed" };
}

/** Commits a message: after the 250 it is ours (RFC 5321 §6.1). */
export async function commitContent(context: Context, phase: PhaseAt<"committing">): Promise<Step> {
  const { content, by } = phase;
  const { message, transaction } = content;
  const { size } = message;
  const committed = await message.commit(lateChanges(transaction));
  if (committed.is === "refused") return answerContent(READY, committed.reply, by);
  if (committed.is === "queued") content.check?.accepted();
  if (committed.is === "answered") return passAnswer(context, phase, committed.reply);
  const done = by === "data"
    ? `Ok: queued as ${committed.id}`
    : `Ok: ${size} bytes queued as ${committed.id}`;
  return { phase: READY, reply: accept(250, "2.0.0", done), counted: by, counts: "delivered" };
}
