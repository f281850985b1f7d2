import type { AddressVerifier } from "../access/verifier.ts";
import type { Configuration } from "../config/service.ts";
import { parseExplain } from "../explain/arguments.ts";
import { explain } from "../explain/explain.ts";
import type { RunningAnswer } from "../explain/explanation_shape.ts";
import { ExplainFault } from "../explain/session_description.ts";
import { ServiceFault } from "../master/control/service_fault.ts";
import { openPartsWith } from "./explain_parts.ts";

/** Explains a session with the configuration that this process serves with, and with its rights. */
export async function explainRunning(
  configuration: Configuration,
  known: AddressVerifier["known"],
  words: readonly string[],
): Promise<RunningAnswer> {
  try {
    const request = parseExplain(words);
    if (request === "help") throw new ServiceFault("malformed", "explain: malformed request");
    const explanation = await explain(configuration, request.session, request, openPartsWith(known));
    return { is: "explained", explanation: { ...explanation, from: "running" } };
  } catch (error) {
    if (error instanceof ExplainFault) return { is: "fault", why: error.message };
    throw error;
  }
}
