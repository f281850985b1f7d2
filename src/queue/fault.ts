import { errorCode, systemErrorText } from "../platform/system_error.ts";
import { QueueFault } from "./store.ts";

const FULL = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** The machine's trouble as a QueueFault: 452 for lack of space, 451 for the rest. */
export function queueFault(what: string, error: unknown): QueueFault {
  if (error instanceof QueueFault) return error;
  const { path } = error as NodeJS.ErrnoException;
  const why = `${path === undefined ? "" : `${path}: `}${systemErrorText(error)}`;
  return new QueueFault(what, why, {
    cause: error,
    kind: FULL.has(errorCode(error)) ? "full" : "failed",
  });
}
