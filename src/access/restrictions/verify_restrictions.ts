import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { addressSubject, type Whose } from "./address_restrictions.ts";
import { tempfail } from "./helo_restrictions.ts";
import type { Facts } from "../policy.ts";
import type { Restriction, Verdict } from "../restriction.ts";
import { DUNNO, reject, rejectedText } from "../verdict.ts";
import type { PollLimits, Verification } from "../verifier.ts";
import type { RestrictionDeps } from "../restriction_deps.ts";

/** reject_unverified_sender, reject_unverified_recipient: a probe says that mail cannot be delivered. */
export function rejectUnverified(deps: RestrictionDeps, whose: Whose): Restriction {
  return ({ facts }) => {
    const address = facts[whose];
    if (address === undefined || address === "") return DUNNO;
    const answer: MaybeAsync<Verification> = deps.verifier?.verify(address, pollLimitsOf(deps, facts)) ??
      { is: "trouble", why: "no address verification service" };
    return then(answer, (verification) => judged(deps, whose, address, verification));
  };
}

/** How long this session may wait; under stress less (STRESS_README). */
function pollLimitsOf({ settings, stressed }: RestrictionDeps, facts: Facts): PollLimits {
  const of = facts.stressed === true ? stressed ?? settings : settings;
  return { count: of.address_verify_poll_count, delay: of.address_verify_poll_delay };
}

/** The longest explanation that a deferral repeats. */
const MAX_WHY = 250;

function judged(deps: RestrictionDeps, whose: Whose, address: string, verification: Verification): Verdict {
  const { settings } = deps;
  const about = addressSubject(whose, address);
  const status = whose === "sender" ? "4.1.7" : "4.1.1";
  const action = settings[`unverified_${whose}_tempfail_action`];
  if (verification.is === "deliverable") return DUNNO;
  if (verification.is === "trouble") {
    const text = rejectedText(about, "address verification problem");
    return tempfail(action, { code: 450, status, text });
  }
  const own = settings[`unverified_${whose}_reject_reason`];
  const why = own === "" ? verification.why : own;
  const code = verification.is === "unknown"
    ? settings[`unverified_${whose}_defer_code`]
    : settings[`unverified_${whose}_reject_code`];
  if (code < 300) return DUNNO;
  if (code < 500) {
    const text = rejectedText(about, `unverified address: ${why.slice(0, MAX_WHY)}`);
    return tempfail(action, { code, status, text });
  }
  return reject(code, status, rejectedText(about, `undeliverable address: ${why}`));
}
