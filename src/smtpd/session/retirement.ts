import { defer, type Reply } from "../../smtp/reply.ts";
import type { Phase } from "../phase.ts";

/** A client may be silent so long in content that the end of the service interrupts, in milliseconds. */
export const CONTENT_SILENCE = 1000;

/**
 * How a session ends with the service. Without a hurry it may finish its transaction; in a hurry all is given up that can be without
 * loss, a command under way included: only content that is coming in, or that is being stored, is waited for.
 */
export function retirementOf(
  phase: Phase,
  { busy, hurrying }: { readonly busy: boolean; readonly hurrying: boolean },
): "now" | "unless silent" | "later" {
  switch (phase.at) {
    case "arriving":
    case "named":
    case "securing":
      return "now";
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
