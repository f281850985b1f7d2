import type { AddressVerifier } from "../access/verifier.ts";
import type { Configuration } from "../config/service.ts";
import { parseExplain } from "../explain/arguments.ts";
import { explain } from "../explain/explain.ts";
import type { Explanation } from "../explain/explanation.ts";
import { ExplainFault } from "../explain/session_description.ts";
import { openPartsWith } from "./explain_parts.ts";

/** Words of one request; a session of more is none that a person wrote. */
const MOST_WORDS = 1000;

/** What the running service answers. */
export type RunningAnswer =
  | { readonly is: "explained"; readonly explanation: Explanation }
  /** The words make no session here. */
  | { readonly is: "fault"; readonly why: string };

/** Explains a session with the configuration that this process serves with, and with its rights. */
export async function explainRunning(
  configuration: Configuration,
  known: AddressVerifier["known"],
  words: unknown,
): Promise<RunningAnswer> {
  if (
    !Array.isArray(words) || words.length > MOST_WORDS || !words.every((word) => typeof word === "string")
  ) {
    throw new Error("explain: malformed request");
  }
  try {
    const request = parseExplain(words);
    if (request === "help") throw new Error("explain: malformed request");
    const explanation = await explain(configuration, request.session, request, openPartsWith(known));
    return { is: "explained", explanation: { ...explanation, from: "running" } };
  } catch (error) {
    if (error instanceof ExplainFault) return { is: "fault", why: error.message };
    throw error;
  }
}
