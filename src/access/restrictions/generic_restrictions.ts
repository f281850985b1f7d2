import type { Restriction } from "../restriction.ts";
import { DUNNO, reject, rejectedText } from "../verdict.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/** `reject` and `defer`: whoever comes this far is refused. */
export function rejectAll(code: number, status: string, why: string): Restriction {
  return ({ about }) => reject(code, status, rejectedText(about, why));
}

/** `defer_if_permit` and `defer_if_reject`: what follows is not taken for granted. */
export function deferIf(is: "defer_if_permit" | "defer_if_reject"): Restriction {
  return ({ about }) => ({
    is,
    refusal: { code: 450, status: "4.7.0", text: rejectedText(about, `${is} requested`) },
  });
}

/** `sleep`: lets the client wait. */
export function sleepFor(seconds: number): Restriction {
  return () => ({ is: "sleep", seconds });
}

/** reject_unauth_pipelining: the client sent commands ahead without being allowed to (RFC 2920 §3.1). */
export function rejectUnauthPipelining(
  { facts, about }: Parameters<Restriction>[0],
): ReturnType<Restriction> {
  if (facts.pipelinedEarly !== true) return DUNNO;
  return reject(503, "5.5.0", rejectedText(about, "Improper use of SMTP command pipelining"), "protocol");
}

/** reject_multi_recipient_bounce: the null sender with more than one recipient. */
export function rejectMultiRecipientBounce(deps: RestrictionDeps): Restriction {
  const code = deps.settings.multi_recipient_bounce_reject_code;
  return ({ facts, stage, about }) => {
    const allowed = stage === "RCPT" ? 0 : 1;
    if (facts.sender !== "" || facts.recipientCount <= allowed) return DUNNO;
    return reject(code, "5.5.3", rejectedText(about, "Multi-recipient bounce"));
  };
}
