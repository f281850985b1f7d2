import { refuse } from "../../smtp/reply.ts";
import type { Context } from "../context.ts";
import type { CommandPhase } from "../phase.ts";
import { answer, type Step } from "../step.ts";

const SYNTAX = refuse(501, "5.5.4", "Syntax: STARTTLS");
const DISABLED = refuse(502, "5.5.1", "Error: command not implemented");

/** STARTTLS where no TLS is configured (RFC 3207). */
export function starttls(phase: CommandPhase, _context: Context, words: readonly string[]): Step {
  return answer(phase, words.length > 1 ? SYNTAX : DISABLED);
}
