import type { AccessParts } from "../create_policy.ts";
import { isOwn, type ProofDeps, type ProofInput } from "./proof_input.ts";
import { type Attempt, attempts, isTaken } from "./relay_session.ts";
import type { Want } from "../restriction.ts";

/** A session in which a stranger relays: it has been played through the policy. */
export interface Witness {
  readonly attempt: Attempt;
  /** How the relay and the recipient restrictions let it through. */
  readonly through: readonly string[];
  readonly fix: string;
  /** It needs XCLIENT: the client says that it is somebody else. */
  readonly claims?: { readonly address: string };
}

/** The first of the sessions on a way that is taken for somebody who is none of ours. */
export async function tried(
  wants: readonly Want[],
  { policy }: AccessParts,
  { outsider, foreign, wideRecipient }: ProofInput,
  { router }: ProofDeps,
): Promise<Attempt | undefined> {
  for (const want of wants) {
    for (const attempt of attempts(outsider, want, foreign)) {
      const { sender, recipient } = attempt.facts;
      const resolution = await router.resolve(sender, recipient);
      if (resolution.is !== "resolved") continue;
      if (isOwn(resolution.class, wideRecipient !== undefined)) continue;
      if (await isTaken(policy, attempt)) return attempt;
    }
  }
  return undefined;
}
