import type { Agent, Outcome } from "./agent.ts";

/** The enhanced status at the start of a text, and the rest (error(8), "5.2.1 mailbox disabled"). */
function splitStatus(
  text: string,
  fallback: string,
): { readonly status: string; readonly text: string } {
  const match = /^([245]\.\d{1,3}\.\d{1,3})(?:\s+(.*))?$/s.exec(text.trim());
  return match === null
    ? { status: fallback, text: text.trim() }
    : { status: match[1]!, text: match[2] ?? "" };
}

/** A status is put into the class that the service stands for. */
function inClass(status: string, digit: "4" | "5"): string {
  return digit + status.slice(1);
}

/**
 * The agent that fails all its mail with the next hop as the reason: for good (service `error`), or for now (service
 * `retry`) (error(8)).
 */
export function createErrorAgent(service: "error" | "retry"): Agent {
  const digit = service === "retry" ? "4" : "5";
  return {
    program: "error",
    deliver({ recipients, nexthop }) {
      const { status, text } = splitStatus(nexthop, `${digit}.0.0`);
      const detail = { status: inClass(status, digit), text } as const;
      const outcome: Outcome = service === "retry"
        ? { is: "deferred", relay: "none", detail: { ...detail, action: "delayed" } }
        : { is: "bounced", relay: "none", detail: { ...detail, action: "failed" } };
      return Promise.resolve({ outcomes: recipients.map(() => outcome), setup: 0, transmission: 0 });
    },
    close: () => Promise.resolve(),
  };
}
