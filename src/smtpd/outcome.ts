import type { Reply } from "../smtp/reply.ts";

/**
 * How a command counts: in the statistics of the session, and towards its error limit. `neither` is in the statistics but no
 * error; `later` is for DATA and BDAT, which count when their content is in.
 */
export type Counts = "good" | "bad" | "neither" | "later";

/** What a command leads to. Without a reply one comes later (DATA, a BDAT chunk). */
export interface Outcome {
  readonly reply?: Reply;
  readonly counts: Counts;
  readonly hangUp?: boolean;
}

/** The outcome of a reply that counts by its code. */
export function outcomeOf(reply: Reply): Outcome {
  return { reply, counts: reply.code < 400 ? "good" : "bad" };
}

/** Whether a reply ends the session whoever asked for it (RFC 5321 §3.8, RFC 7504). */
export function endsSession(reply: Reply): boolean {
  return reply.code === 421 || reply.code === 521;
}

/** soft_bounce: what would refuse for good refuses for now. */
export function softened(reply: Reply): Reply {
  if (reply.code < 500) return reply;
  const status = reply.status?.replace(/^5/, "4") as Reply["status"];
  return { code: reply.code - 100, status, lines: reply.lines };
}
