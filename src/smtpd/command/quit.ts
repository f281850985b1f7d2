import { accept } from "../../smtp/reply.ts";
import type { Phase } from "../phase.ts";
import { CLOSE, type Step } from "../step.ts";

const BYE = accept(221, "2.0.0", "Bye");

/** QUIT works whatever follows it (RFC 5321 §4.1.1.10). */
export function quit(phase: Phase): Step {
  return { phase, reply: BYE, counts: "good", after: CLOSE };
}
