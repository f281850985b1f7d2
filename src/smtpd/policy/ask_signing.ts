import type { ClientFacts, Facts, SigningAnswer } from "../../access/policy.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import type { Context } from "../context.ts";
import type { Forwarded } from "../session_facts.ts";

const NOT_SIGNED: SigningAnswer = { signs: false };

/**
 * Whether mail of this client is signed (dkim_signing_clients). Mail of a filter that tells by XFORWARD where it comes from is judged by
 * that: strangers' mail does not become ours on the way through a program of this machine.
 */
export function askSigning({ deps, facts: { forwarded } }: Context, facts: Facts): MaybeAsync<SigningAnswer> {
  const { access, log } = deps;
  if (access.signs === undefined) return NOT_SIGNED;
  const asked = forwarded === undefined ? facts : { ...facts, ...originalClient(facts.client, forwarded) };
  return then(access.signs(asked), (answer) => {
    for (const warning of answer.warnings ?? []) log.note("smtpd", "warning", warning);
    return answer;
  });
}

/** What is not told is not known. */
function originalClient(
  { port }: ClientFacts,
  { ADDR = "unknown", NAME = "unknown" }: Forwarded,
): Pick<Facts, "client" | "peerAddress"> {
  return {
    client: {
      address: ADDR,
      port,
      name: NAME,
      reverseName: NAME,
      nameStatus: NAME === "unknown" ? 5 : 2,
      reverseNameStatus: NAME === "unknown" ? 5 : 2,
    },
    peerAddress: ADDR,
  };
}
