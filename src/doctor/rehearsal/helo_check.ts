import type { AddressAnswer } from "../../dns/answer.ts";
import { type CheckResult, ok, problem, warning } from "../check_result.ts";
import { addressRecord } from "../dns_record.ts";
import { hasAddress, whyNothing } from "../name_lookup.ts";

/** What is known of the name that we give in HELO. */
export interface HeloFacts {
  readonly helo: string;
  readonly addresses: AddressAnswer;
  /** What receivers see; empty where that is not known. */
  readonly seen: readonly string[];
}

const NAME = "HELO";

/** Whether the name in HELO is one, and leads to where we come from (RFC 5321 §4.1.4). */
export function checkHelo({ helo, addresses, seen }: HeloFacts): CheckResult[] {
  const fix = "publish the address that receivers see; smtp_helo_name says which name is given";
  const remedy = seen.length === 0
    ? { fix }
    : { fix, record: seen.map((address) => addressRecord(helo, address)).join("\n") };
  if (!helo.includes(".") || helo.startsWith("[")) {
    return [problem(NAME, `${helo} is no full host name`, { fix: "mta postconf -e myhostname=mail.DOMAIN" })];
  }
  if (addresses.is === "trouble") return [warning(NAME, `${helo} ${whyNothing(addresses)}`)];
  if (addresses.is !== "records") return [problem(NAME, `${helo} has no address`, remedy)];
  if (seen.length === 0) return [ok(NAME, `${helo} has an address`)];
  const missing = seen.filter((address) => !hasAddress(addresses, address));
  if (missing.length === 0) return [ok(NAME, `${helo} leads to ${seen.join(", ")}`)];
  return [warning(NAME, `${helo} does not lead to ${missing.join(", ")}, where receivers see us`, {
    fix,
    record: missing.map((address) => addressRecord(helo, address)).join("\n"),
  })];
}
