import { accept } from "../../smtp/reply.ts";
import type { CommandPhase } from "../phase.ts";
import { answer, type Step } from "../step.ts";

const OK = accept(250, "2.0.0", "Ok");

/** NOOP, whatever follows it (RFC 5321 §4.1.1.9). */
export function noop(phase: CommandPhase): Step {
  return answer(phase, OK);
}
