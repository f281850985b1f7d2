import { defer, type Reply } from "../../smtp/reply.ts";
import type { Phase } from "../phase.ts";

/** A client may be silent so long in content that the end of the service interrupts, in milliseconds. */
export const CONTENT_SILENCE = 1000;
/** What is left to a handshake when the service ends, in milliseconds. */
export const HANDSHAKE_PATIENCE = 5000;

/**
 * How a session ends with the service. Without a hurry it may finish its transaction, and a handshake, before which nothing can be
 * said to it; in a hurry all is given up that can be without loss, a command under way included: only content that is coming in, or
 * that is being stored, is waited for. `unheard` is who waits for a handshake that is to come first (smtpd_tls_wrappermode).
 */
export function retirementOf(
  phase: Phase,
  { busy, hurrying, unheard }: {
    readonly busy: boolean;
    readonly hurrying: boolean;
    readonly unheard: boolean;
  },
): "now" | "soon" | "unless silent" | "later" {
  switch (phase.at) {
    case "arriving":
    case "named":
      return unheard && !hurrying ? "later" : "now";
    case "securing":
      return hurrying ? "now" : "soon";
    case "ready":
    case "denied":
    case "authenticating":
      return busy && !hurrying ? "later" : "now";
    case "ended":
    case "committing":
      return "later";
    case "data":
    case "chunk":
      return hurrying ? "unless silent" : "later";
    default:
      return hurrying ? "now" : "later";
  }
}

/** The farewell of a service that ends (RFC 5321 §3.8). */
export function shuttingDown(myhostname: string): Reply {
  return defer(421, "4.3.2", `${myhostname} Service shutting down and closing transmission channel`);
}
