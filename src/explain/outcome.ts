import type { ExplainedCommand, Explanation, Outcome } from "./explanation.ts";

const RANK: Readonly<Record<Outcome, number>> = { permit: 0, defer: 1, reject: 2 };

/** What a reply means for the message. A server that hangs up wants the client to come back. */
export function meaningOf({ code }: Pick<ExplainedCommand, "code">): Outcome {
  if (code >= 500) return "reject";
  return code >= 400 || code === 0 ? "defer" : "permit";
}

/** The command that decides: the worst refusal, the first of equals; the last command when all is well. */
function deciding(commands: readonly ExplainedCommand[]): ExplainedCommand | undefined {
  return commands.reduce<ExplainedCommand | undefined>((worst, each) => {
    if (worst === undefined || meaningOf(each) === "permit" && meaningOf(worst) === "permit") return each;
    return RANK[meaningOf(each)] > RANK[meaningOf(worst)] ? each : worst;
  }, undefined);
}

/** The command whose answer an edit could turn round: the refused one; of a session that is accepted the last recipient. */
export function turnable(commands: readonly ExplainedCommand[]): ExplainedCommand | undefined {
  const command = deciding(commands);
  if (command === undefined || meaningOf(command) !== "permit") return command;
  return commands.findLast((each) => each.command.startsWith("RCPT ")) ?? command;
}

/** How the session ends. */
export function outcomeOf(commands: readonly ExplainedCommand[]): Outcome {
  const command = deciding(commands);
  return command === undefined ? "permit" : meaningOf(command);
}

/** The deciding command, as an explanation shows it. */
export function decisive(commands: readonly ExplainedCommand[]): Explanation["decidedBy"] {
  const command = deciding(commands);
  return {
    command: command?.command ?? "",
    reply: command?.reply.join(" / ") ?? "",
    ...(command?.refusedBy !== undefined && { refusedBy: command.refusedBy }),
  };
}
