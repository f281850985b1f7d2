import { finite, list, oneOf, optional, record, type Shape, text } from "../../base/shape.ts";

/** How it stands with the certificate of acme_domains. */
export interface AcmeStatus {
  readonly names: readonly string[];
  /** There is a good one; one is being ordered; the last order failed; another process is at it. */
  readonly state: "good" | "ordering" | "failed" | "busy";
  /** When the next step is due, in milliseconds since 1970. */
  readonly next?: number;
  /** When the certificate expires, where there is one. */
  readonly until?: number;
  /** What went wrong, and what would help. */
  readonly problem?: string;
}

/** The check of it, for both ends. */
export const acmeStatus: Shape<AcmeStatus> = record<AcmeStatus>({
  names: list(text(255), 1000),
  state: oneOf("good", "ordering", "failed", "busy"),
  next: optional(finite),
  until: optional(finite),
  problem: optional(text(4096)),
});
