import type { RecipientDetail } from "../../message/recipient_detail.ts";
import type { ServerReply } from "../../smtp/reply_reader.ts";

/** Why recipients are not delivered, before it is decided what follows. */
export interface Failure {
  /** Enhanced status; the first digit decides between deferring and bouncing. */
  readonly status: string;
  /** Text as in the log line's parentheses. */
  readonly text: string;
  /** The host that said so, when one did. */
  readonly remoteMta?: string;
  /** Its words. */
  readonly diagnostic?: string;
  /** We gave up ourselves, as the service stops: no failure of anybody's. */
  readonly interrupted?: true;
  /** Lasting, but another host may not have it: with the last one only it is final. */
  readonly softUntilLast?: true;
  /** The handshake failed, or the connection broke under TLS: in the clear it might have been otherwise. */
  readonly brokenTls?: "handshake" | "session";
}

/** A failure found on this side of the connection. */
export function localFailure(status: string, text: string): Failure {
  return { status, text };
}

/** The service stops: what was not done goes back. */
export function interruption(text: string): Failure {
  return { status: "4.3.2", text, interrupted: true };
}

/** Whether trying again may help (soft_bounce is the queue manager's). */
export function isSoft(failure: Failure): boolean {
  return failure.status.startsWith("4");
}

/**
 * A server's refusal in Postfix's words: `host H[A] said: REPLY (in reply to COMMAND)`. A reply of the wrong class, as 250
 * to DATA, is a protocol error and permanent.
 */
export function replyFailure(host: string, peer: string, reply: ServerReply, command: string): Failure {
  const text = `host ${peer} said: ${reply.text} (in reply to ${command})`;
  return refusal(host, reply, text);
}

/** A refusal with its own text. */
export function refusal(host: string, reply: ServerReply, text: string, status = reply.status): Failure {
  const wrongClass = !status.startsWith("4") && !status.startsWith("5");
  return {
    status: wrongClass ? "5.5.0" : status,
    text: wrongClass ? `Protocol error: ${text}` : text,
    remoteMta: host,
    diagnostic: reply.text,
  };
}

/**
 * Replies after which the conversation may be out of step: the connection is not used again. Syntax errors mean that we were
 * not understood (RFC 5321 §4.2.2).
 */
export function spoilsSession(reply: ServerReply): boolean {
  const { code } = reply;
  return code < 400 || code > 599 || code === 555 || (code >= 500 && code < 510);
}

/** The failure as a notification will tell it. */
export function detailOf(failure: Failure): RecipientDetail {
  return {
    status: failure.status,
    text: failure.text,
    action: isSoft(failure) ? "delayed" : "failed",
    remoteMta: failure.remoteMta,
    diagnosticType: failure.diagnostic === undefined ? "X-Postfix" : "smtp",
    diagnostic: failure.diagnostic ?? failure.text,
  };
}
