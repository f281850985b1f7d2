import { refuse, type Reply } from "../smtp/reply.ts";
import type { Session } from "./smtpd_session.ts";

// What of the input sent ahead is shown in the log.
const SHOWN = 100;

const ESCAPES: Readonly<Record<string, string>> = { "\r": "\\r", "\n": "\\n", "\t": "\\t", "\\": "\\\\" };

function escaped(bytes: Buffer): string {
  return bytes.toString("latin1", 0, SHOWN).replace(
    /[\x00-\x1f\x7f-\xff\\]/g,
    (char) => ESCAPES[char] ?? `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
}

/**
 * Notes, once a session, that the client did not wait where it must (RFC 2920 §3.1). With smtpd_forbid_unauth_pipelining
 * answers the reply that ends the session.
 */
export function noteEarlyInput(session: Session, where: string): Reply | undefined {
  const input = session.pendingInput;
  if (input === undefined || session.pipelinedEarly) return undefined;
  session.pipelinedEarly = true;
  session.house.deps.log.emit("smtpd", "improperPipelining", {
    where,
    client: session.clientText,
    input: escaped(input),
  });
  if (!session.settings.forbidUnauthPipelining) return undefined;
  return refuse(554, "5.5.0", "Error: SMTP protocol synchronization");
}
