import { classed, refuse, type Reply } from "../../smtp/reply.ts";
import type { Context } from "../context.ts";
import type { SessionFacts } from "../session_facts.ts";
import { withoutResponses, withoutSecrets } from "./secrets.ts";

// What of the input sent ahead is shown in the log.
const SHOWN = 100;
// What of it is looked at for secrets: a line that begins within what is shown ends in here, or is cut off with it.
const LOOKED_AT = 4096;

const ESCAPES: Readonly<Record<string, string>> = { "\r": "\\r", "\n": "\\n", "\t": "\\t", "\\": "\\\\" };

function escaped(text: string): string {
  return text.slice(0, SHOWN).replace(
    /[\x00-\x1f\x7f-\xff\\]/g,
    (char) => ESCAPES[char] ?? `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
}

/** What becomes of a client that did not wait. */
export interface EarlyTalk {
  readonly facts: SessionFacts;
  /** The reply that ends the session (smtpd_forbid_unauth_pipelining). */
  readonly refusal: Reply | undefined;
}

/** Notes, once a session, that the client did not wait where it must (RFC 2920 §3.1): these bytes came too early. */
export function noteEarlyInput(
  context: Context,
  input: Buffer | undefined,
  where: string,
): EarlyTalk | undefined {
  const { facts, deps, settings } = context;
  if (input === undefined || facts.pipelinedEarly) return undefined;
  const text = input.toString("latin1", 0, LOOKED_AT);
  const shown = escaped(where === "AUTH" ? withoutResponses(text) : withoutSecrets(text));
  deps.log.emit("smtpd", "improperPipelining", { where, client: context.clientText, input: shown });
  return {
    facts: { ...facts, pipelinedEarly: true },
    refusal: settings.forbidUnauthPipelining
      ? classed(refuse(554, "5.5.0", "Error: SMTP protocol synchronization"), "none")
      : undefined,
  };
}
