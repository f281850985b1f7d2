import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { CheckingAnswer, Facts } from "../policy.ts";
import { clientText } from "../reply/client_text.ts";
import type { SenderSpf } from "../sender_spf.ts";
import type { RestrictionList } from "../restriction.ts";
import { Walk, type WalkRules } from "./walk.ts";

/** Answers whether a client's mail is checked. */
export type ExemptClients = (facts: Facts) => MaybeAsync<CheckingAnswer>;

/** Evaluates mail_authentication_exempt at MAIL: mail of whom it does not permit is checked, and so is that of a client who cannot be judged now. */
export function createExemptClients(
  list: RestrictionList,
  rules: WalkRules,
  openSpf: () => SenderSpf,
): ExemptClients {
  return (facts) => {
    const walk = new Walk("MAIL", facts, { rules, spf: openSpf(), tracer: undefined });
    const about = { name: clientText(facts.client, false), class: "Client host" } as const;
    return then(walk.run(list, about), (outcome): CheckingAnswer => {
      const checks = walk.applyDeferral(outcome) !== "permit";
      const { warnings } = walk.decision();
      return { checks, ...(warnings !== undefined && { warnings }) };
    });
  };
}
