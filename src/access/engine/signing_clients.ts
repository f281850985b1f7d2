import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Facts, SigningAnswer } from "../policy.ts";
import type { Reply } from "../../smtp/reply.ts";
import { clientText } from "../reply/client_text.ts";
import type { RestrictionList } from "../restriction.ts";
import type { SenderSpf } from "../sender_spf.ts";
import { Walk, type WalkRules } from "./walk.ts";

/** Answers whether a client's mail is signed. */
export type SigningClients = (facts: Facts) => MaybeAsync<SigningAnswer>;

/**
 * Evaluates dkim_signing_clients at MAIL: whom it permits is signed for, whom it refuses or does not know is not. A list that cannot
 * be asked defers the mail: unsigned it would be refused elsewhere, and for good.
 */
export function createSigningClients(
  list: RestrictionList,
  rules: WalkRules,
  openSpf: () => SenderSpf,
): SigningClients {
  return (facts) => {
    const walk = new Walk("MAIL", facts, { rules, spf: openSpf(), tracer: undefined });
    const about = { name: clientText(facts.client, false), class: "Client host" } as const;
    return then(walk.run(list, about), (outcome): SigningAnswer => {
      const decided = walk.applyDeferral(outcome);
      const { refusal, warnings } = walk.decision();
      const isTrouble = decided === "reject" && refusal !== undefined && isOurs(refusal);
      return {
        signs: decided === "permit",
        ...(isTrouble && { refusal }),
        ...(warnings !== undefined && { warnings }),
      };
    });
  };
}

/** What is wrong is here, and not with the client (RFC 3463 §3.4). */
const isOurs = ({ code, status }: Reply) => code < 500 && status?.startsWith("4.3.") === true;
