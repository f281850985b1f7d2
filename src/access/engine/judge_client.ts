import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Decision, Facts } from "../policy.ts";
import { clientText } from "../reply/client_text.ts";
import type { RestrictionList } from "../restriction.ts";
import type { SenderSpf } from "../sender_spf.ts";
import { Walk, type WalkRules } from "./walk.ts";

/** What a list of restrictions says of a client at MAIL. */
export interface JudgedClient extends Pick<Decision, "refusal" | "warnings"> {
  readonly permits: boolean;
  readonly refuses: boolean;
}

/** Evaluates a list that decides about a client's mail without refusing it: dkim_signing_clients, mail_authentication_exempt. */
export function createClientJudge(
  list: RestrictionList,
  rules: WalkRules,
  openSpf: () => SenderSpf,
): (facts: Facts) => MaybeAsync<JudgedClient> {
  return (facts) => {
    const walk = new Walk("MAIL", facts, { rules, spf: openSpf(), tracer: undefined });
    const about = { name: clientText(facts.client, false), class: "Client host" } as const;
    return then(walk.run(list, about), (outcome): JudgedClient => {
      const decided = walk.applyDeferral(outcome);
      const { refusal, warnings } = walk.decision();
      return { permits: decided === "permit", refuses: decided === "reject", refusal, warnings };
    });
  };
}
