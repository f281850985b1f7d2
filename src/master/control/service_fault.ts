import { oneOf, record, type Shape, text } from "../../base/shape.ts";

/**
 * Why the running service did not do what it was asked:
 * - `malformed`: the request is none, or its arguments do not fit
 * - `forbidden`: this user may not
 * - `busy`: too much of it at a time; later it will do
 * - `unavailable`: nobody serves at the moment; later it will do
 * - `configuration`: main.cf, master.cf or a table is wrong
 * - `failed`: the machine's trouble, or our bug
 */
export type FaultKind = "malformed" | "forbidden" | "busy" | "unavailable" | "configuration" | "failed";

/** A failure as it travels between our processes. */
export interface FaultReport {
  readonly kind: FaultKind;
  readonly why: string;
}

/** Longest text of a failure; more of it is cut off before it is sent. */
const LONGEST = 16 * 1024;

export const faultReport: Shape<FaultReport> = record<FaultReport>({
  kind: oneOf("malformed", "forbidden", "busy", "unavailable", "configuration", "failed"),
  why: text(LONGEST),
});

/** A failure that says what kind it is. */
export class ServiceFault extends Error {
  override readonly name = "ServiceFault";
  constructor(readonly kind: FaultKind, why: string, options?: ErrorOptions) {
    super(why, options);
  }
}

/** What is told to the other side of whatever was thrown. */
export function reportOf(error: unknown): FaultReport {
  const why = (error instanceof Error ? error.message : String(error)).slice(0, LONGEST);
  return { kind: error instanceof ServiceFault ? error.kind : "failed", why };
}
