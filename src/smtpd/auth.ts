import { refuse } from "../smtp/reply.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

const DISABLED = outcomeOf(refuse(503, "5.5.1", "Error: authentication not enabled"));

/** AUTH where no SASL is configured (RFC 4954). */
export function auth(): Outcome {
  return DISABLED;
}
