import { accept } from "../../smtp/reply.ts";
import type { Outcome } from "../outcome.ts";

const BYE: Outcome = { reply: accept(221, "2.0.0", "Bye"), counts: "good", hangUp: true };

/** QUIT works whatever follows it (RFC 5321 §4.1.1.10). */
export function quit(): Outcome {
  return BYE;
}
