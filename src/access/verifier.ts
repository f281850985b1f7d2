import type { MaybeAsync } from "../base/maybe_async.ts";

/** What is known of an address by a delivery probe (ADDRESS_VERIFICATION_README). */
export type Verification =
  | { readonly is: "deliverable" }
  | { readonly is: "undeliverable" | "unknown"; readonly why: string }
  | { readonly is: "trouble"; readonly why: string };

/** Finds out whether mail for an address could be delivered; keeps what it finds. `unknown`: a probe is under way, or deferred. */
export interface AddressVerifier {
  verify(address: string): MaybeAsync<Verification>;
}
