import type { MaybeAsync } from "../base/maybe_async.ts";

/** What is known of an address by a delivery probe (ADDRESS_VERIFICATION_README). */
export type Verification =
  | { readonly is: "deliverable" }
  | { readonly is: "undeliverable"; readonly why: string }
  | {
    readonly is: "unknown";
    readonly why: string; /** The first probe is out: there will be an answer soon. */
    readonly soon?: boolean;
  }
  | { readonly is: "trouble"; readonly why: string };

/** How often a session asks, and how many seconds lie between (address_verify_poll_count, address_verify_poll_delay). */
export interface PollLimits {
  readonly count: number;
  readonly delay: number;
}

/** Finds out whether mail for an address could be delivered; keeps what it finds. `unknown`: a probe is under way, or deferred. */
export interface AddressVerifier {
  /** Waits for a result, if there is none yet, no longer than `poll` allows. */
  verify(address: string, poll: PollLimits): MaybeAsync<Verification>;
  /** What is known without asking anybody; undefined when a session would have to wait for a probe. */
  known(address: string): Verification | undefined;
}
