import type { KernelClock } from "../../platform/kernel_clock.ts";
import { type CheckResult, ok, problem, warning } from "../check_result.ts";

/** What is known of the time. */
export interface ClockFacts {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** When main.cf was changed last; undefined where that is not known. */
  readonly configured: number | undefined;
  /** Undefined where the kernel may not be asked. */
  readonly kernel: KernelClock | undefined;
}

const CLOCK = "clock";
const MINUTE = 60_000;
/** This program is of this year, and certificates and signatures of today are void by the end of the other. */
const [FIRST_YEAR, LAST_YEAR] = [2025, 2099];

const KEEP_IT = "run chrony or systemd-timesyncd: `timedatectl set-ntp true`";

/**
 * Whether the clock can be right. Nobody else is asked for the time: what is known is the year, files that were changed later than now,
 * and whether the kernel is kept to the true time by anybody.
 */
export function checkClock({ now, configured, kernel }: ClockFacts): CheckResult[] {
  const date = new Date(now);
  const year = date.getUTCFullYear();
  const reads = `reads ${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
  if (year < FIRST_YEAR || year > LAST_YEAR) {
    return [problem(CLOCK, `${reads}: certificates, signatures and retries go by it`, { fix: KEEP_IT })];
  }
  if (configured !== undefined && configured > now + MINUTE) {
    const when = new Date(configured).toISOString().slice(0, 16).replace("T", " ");
    return [warning(CLOCK, `${reads}, but main.cf was changed at ${when}: it is behind, or was ahead then`, {
      fix: KEEP_IT,
    })];
  }
  if (kernel === undefined) {
    return [ok(CLOCK, `${reads}; whether somebody keeps it right cannot be told here`)];
  }
  if (kernel.synchronised) return [ok(CLOCK, `${reads}, and is kept to the true time`)];
  return [warning(CLOCK, `${reads}, and nobody keeps it to the true time, as far as the kernel knows`, {
    fix: `${KEEP_IT} (a virtual machine may get its time from the host)`,
  })];
}
