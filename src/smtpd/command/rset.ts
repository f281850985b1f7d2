import { accept, refuse } from "../../smtp/reply.ts";
import type { Context } from "../context.ts";
import { type CommandPhase, READY } from "../phase.ts";
import { answer, type Step } from "../step.ts";

const OK = accept(250, "2.0.0", "Ok");
const SYNTAX = refuse(501, "5.5.4", "Syntax: RSET");

/** RSET drops the transaction (RFC 5321 §4.1.1.5). */
export function rset(phase: CommandPhase, _context: Context, words: readonly string[]): Step {
  return words.length > 1 ? answer(phase, SYNTAX) : answer(READY, OK);
}
