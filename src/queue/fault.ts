import { QueueFault } from "./store.ts";

const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** The machine's trouble as a QueueFault: 452 for lack of space, 451 for the rest. */
export function queueFault(what: string, error: unknown): QueueFault {
  if (error instanceof QueueFault) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new QueueFault(what, why, { cause: error, kind: FULL.has(codeOf(error)) ? "full" : "failed" });
}
