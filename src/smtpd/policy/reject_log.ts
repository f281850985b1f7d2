import { type Reply, replyText } from "../../smtp/reply.ts";
import type { Context } from "../context.ts";
import { envelopeText, type Subject } from "../facts.ts";
import { type Phase, transactionOf } from "../phase.ts";

const idOf = (phase: Phase) => transactionOf(phase)?.id ?? "NOQUEUE";

/** What a line about a decision says. */
export interface DecisionNote {
  /** `reject`, or what an access action is called. */
  readonly verb: string;
  readonly stage: string;
  readonly text: string;
  readonly subject?: Subject | undefined;
  readonly remark?: string | undefined;
}

/** `NOQUEUE: reject: STAGE from CLIENT: TEXT; from=<> to=<> proto= helo=<>`. */
export function logDecision(
  context: Context,
  phase: Phase,
  { verb, stage, text, subject, remark }: DecisionNote,
): void {
  context.deps.log.emit("smtpd", "reject", {
    id: idOf(phase),
    verb,
    stage,
    client: context.clientText,
    text,
    envelope: envelopeText(context, phase, subject),
    ...(remark !== undefined && { remark }),
  });
}

/** A table that the session cannot do without is in trouble: the warning, and what the client is told. */
export function logDataFault(context: Context, phase: Phase, warning: string, reply: Reply): void {
  const { log } = context.deps;
  log.note("smtpd", "warning", warning);
  const text = `${idOf(phase)}: reject: ${context.where} from ${context.clientText}: ${replyText(reply)}`;
  log.note("smtpd", "info", text);
}
