import { accept } from "../../smtp/reply.ts";
import { type Outcome, outcomeOf } from "../outcome.ts";

const OK = outcomeOf(accept(250, "2.0.0", "Ok"));

/** NOOP, whatever follows it (RFC 5321 §4.1.1.9). */
export function noop(): Outcome {
  return OK;
}
