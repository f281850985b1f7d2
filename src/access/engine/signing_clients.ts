import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Facts, SigningAnswer } from "../policy.ts";
import type { Reply } from "../../smtp/reply.ts";
import type { JudgedClient } from "./judge_client.ts";

/** Answers whether a client's mail is signed. */
export type SigningClients = (facts: Facts) => MaybeAsync<SigningAnswer>;

/**
 * Evaluates dkim_signing_clients at MAIL: whom it permits is signed for, whom it refuses or does not know is not. A list that cannot
 * be asked defers the mail: unsigned it would be refused elsewhere, and for good.
 */
export function createSigningClients(judge: (facts: Facts) => MaybeAsync<JudgedClient>): SigningClients {
  return (facts) =>
    then(judge(facts), ({ permits, refuses, refusal, warnings }): SigningAnswer => ({
      signs: permits,
      ...(refuses && refusal !== undefined && isOurs(refusal) && { refusal }),
      ...(warnings !== undefined && { warnings }),
    }));
}

/** What is wrong is here, and not with the client (RFC 3463 §3.4). */
const isOurs = ({ code, status }: Reply) => code < 500 && status?.startsWith("4.3.") === true;
