import type { Reply } from "../../smtp/reply.ts";
import type { Context } from "../context.ts";
import type { Phase } from "../phase.ts";
import { logDecision } from "./reject_log.ts";
import { dismissal, type Step } from "../step.ts";

/** The refusal of lines that end in a bare LF (smtpd_forbid_bare_newline = reject), which the log is told. */
export function refuseBareNewline(context: Context, phase: Phase, stage: string): Reply {
  logDecision(context, phase, { verb: "reject", stage, text: "bare <LF> received" });
  return context.settings.bareNewlineRefusal;
}

/** Tells the log that there were some (smtpd_forbid_bare_newline = note). */
export function noteBareNewline({ deps, clientText, where }: Context): void {
  deps.log.emit("smtpd", "bareNewline", { client: clientText, where });
}

/** A command line that ended in a bare LF: with `reject` it ends the session, with `note` it is written down. */
export function bareNewlineInCommand(context: Context, phase: Phase): Step | undefined {
  const { facts, settings: { bareNewline } } = context;
  if (facts.lenientNewlines || bareNewline === "normalize") return undefined;
  if (bareNewline !== "reject") return void noteBareNewline(context);
  return dismissal(phase, refuseBareNewline(context, phase, context.where));
}
