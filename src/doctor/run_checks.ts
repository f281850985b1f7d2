import type { Clock } from "../base/clock.ts";
import { inTime } from "../base/in_time.ts";
import { systemErrorText } from "../platform/system_error.ts";
import { type CheckResult, problem, warning } from "./check_result.ts";

/** Something to look at. The signal says when nobody waits for it any more. */
export interface Check {
  readonly name: string;
  /** Milliseconds that it may take. */
  readonly limit: number;
  run(signal: AbortSignal): Promise<readonly CheckResult[]>;
}

/** Looks at all of them at a time; answers in their order. One that fails or takes too long is a finding of its own. */
export async function runChecks(checks: readonly Check[], clock: Clock): Promise<CheckResult[]> {
  const all = await Promise.all(checks.map((check) => runCheck(check, clock)));
  return all.flat();
}

async function runCheck({ name, limit, run }: Check, clock: Clock): Promise<readonly CheckResult[]> {
  const over = new AbortController();
  const late = [warning(name, `did not come to an end within ${Math.round(limit / 1000)} seconds`, {
    fix: "look at what it asks: name servers, or a server that takes connections and says nothing",
  })];
  try {
    return await inTime(run(over.signal), { clock, limit, late });
  } catch (error) {
    return [problem(name, `could not be looked at: ${systemErrorText(error)}`)];
  } finally {
    over.abort();
  }
}
