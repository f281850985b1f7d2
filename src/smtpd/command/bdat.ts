import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { type BdatCommand, parseBdat } from "../../smtp/command.ts";
import { classed, refuse, type Reply } from "../../smtp/reply.ts";
import { askData } from "../policy/ask_data.ts";
import type { Context } from "../context.ts";
import {
  awaitsContent,
  type CommandPhase,
  type Content,
  type Phase,
  type PhaseAt,
  transactionOf,
} from "../phase.ts";
import { answer, type Step } from "../step.ts";
import { beginContent } from "../message/submission.ts";
import { NO_RECIPIENTS } from "./data.ts";

const NULL_CHUNK = refuse(551, "5.7.1", "Null BDAT request");
const TOO_BIG = classed(refuse(552, "5.3.4", "Chunk exceeds message size limit"), "policy");
const NOT_IMPLEMENTED = refuse(521, "5.5.1", "Error: command not implemented");
/** Content without a recipient: there is no transaction. */
export const NEED_RCPT = refuse(503, "5.5.1", "Error: need RCPT command");

function warn({ deps }: Context, phase: Phase, text: string): void {
  deps.log.note("smtpd", "warning", `${transactionOf(phase)?.id ?? "NOQUEUE"}: ${text}`);
}

const chunkOf = ({ size, last }: BdatCommand) => ({ size, remaining: size, last });

/** Throws a chunk away and then answers; until LAST or RSET all others go the same way. */
function discard(command: BdatCommand, reply: Reply): Step {
  return { phase: { at: "skipping", chunk: chunkOf(command), reply }, counts: "neither" };
}

const receive = (content: Content, command: BdatCommand): Step => ({
  phase: { at: "chunk", content, chunk: chunkOf(command) },
  counts: "neither",
});

/** Whether a chunk makes the message too big, with `received` bytes of it here already. */
function isTooBig(context: Context, phase: Phase, command: BdatCommand, received: number): boolean {
  const limit = context.settings.messageSizeLimit;
  if (limit === 0 || command.size <= limit - received) return false;
  warn(context, phase, `BDAT request from ${context.clientText} exceeds message size limit`);
  return true;
}

function firstChunk(
  phase: PhaseAt<"transaction">,
  context: Context,
  command: BdatCommand,
): MaybeAsync<Step> {
  const { transaction } = phase;
  if (!awaitsContent(transaction)) return discard(command, NO_RECIPIENTS);
  return then(askData(context, phase), (refusal) => {
    if (refusal !== undefined) return discard(command, refusal);
    if (isTooBig(context, phase, command, 0)) return discard(command, TOO_BIG);
    return then(
      transaction.filter?.data("DATA"),
      (filtered) =>
        filtered === undefined
          ? receive(beginContent(context, transaction, true), command)
          : discard(command, filtered),
    );
  });
}

function nextChunk(phase: PhaseAt<"bdat">, context: Context, command: BdatCommand): Step {
  const { content } = phase;
  if (isTooBig(context, phase, command, content.message.size)) return discard(command, TOO_BIG);
  return receive(content, command);
}

function accepted(phase: CommandPhase, context: Context, command: BdatCommand): MaybeAsync<Step> {
  if (phase.at === "discarding") {
    return discard(command, refuse(551, "5.0.0", `Discarded ${command.size} bytes after earlier error`));
  }
  if (command.size === 0 && !command.last) {
    warn(context, phase, `null BDAT request from ${context.clientText}`);
    return discard(command, NULL_CHUNK);
  }
  if (phase.at === "ready") return discard(command, NEED_RCPT);
  return phase.at === "bdat" ? nextChunk(phase, context, command) : firstChunk(phase, context, command);
}

/** BDAT size [LAST]: the next bytes are content as they are (RFC 3030 §2). The reply comes after them. */
export function bdat(
  phase: CommandPhase,
  context: Context,
  words: readonly string[],
  line: string,
): MaybeAsync<Step> {
  if (context.facts.withheld.has("CHUNKING")) return answer(phase, NOT_IMPLEMENTED);
  const command = parseBdat(words);
  if (command.verb !== "malformed") return accepted(phase, context, command);
  warn(context, phase, `malformed BDAT command syntax from ${context.clientText}: ${line.slice(0, 100)}`);
  return answer(phase, command.reply);
}
