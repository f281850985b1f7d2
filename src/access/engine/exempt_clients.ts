import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { CheckingAnswer, Facts } from "../policy.ts";
import type { JudgedClient } from "./judge_client.ts";

/** Answers whether a client's mail is checked. */
export type ExemptClients = (facts: Facts) => MaybeAsync<CheckingAnswer>;

/** Evaluates mail_authentication_exempt at MAIL: mail of whom it does not permit is checked, and so is that of a client who cannot be judged now. */
export function createExemptClients(judge: (facts: Facts) => MaybeAsync<JudgedClient>): ExemptClients {
  return (facts) =>
    then(judge(facts), ({ permits, warnings }): CheckingAnswer => ({
      checks: !permits,
      ...(warnings !== undefined && { warnings }),
    }));
}
