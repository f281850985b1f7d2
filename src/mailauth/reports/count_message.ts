import { policyKey, rowKey } from "./counted_key.ts";
import type { OnVerified } from "./verified_message.ts";

const HOUR = 3_600_000;

/**
 * Counts messages for the reports of the domains that want them. Reports of others that pass are not counted: two servers that report
 * to each other would never find an end.
 */
export function countMessages(count: (domain: string, key: string) => void, now: () => number): OnVerified {
  return (message) => {
    const { policy, aligned, isReport } = message;
    if (!policy.hasRua || (isReport === true && (aligned.dkim || aligned.spf))) return;
    count(policy.domain, rowKey(message));
    count(policy.domain, policyKey(message, Math.floor(now() / HOUR) % 24));
  };
}
