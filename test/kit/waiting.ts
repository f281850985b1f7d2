// How tests wait: for what they can see, with limits that catch what hangs and not what is slow, on a machine however busy.
import { readFileSync } from "node:fs";

/** In milliseconds; what has not come by then does not come. */
const HANGS = 60_000;
/** In milliseconds; who is held up in a test is held up for longer. */
export const HELD_UP = 10_000;

export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Waits until something holds; `what` it is, as it is by then, stands in the error when it does not come. */
export async function until(
  what: string | (() => string),
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  for (const end = performance.now() + HANGS; !await holds(); await pause(5)) {
    if (performance.now() > end) {
      throw new Error(`does not come: ${typeof what === "string" ? what : what()}`);
    }
  }
}

/** Waits until something is found, and answers it. */
export async function untilFound<Found>(
  what: string | (() => string),
  look: () => Found | undefined,
): Promise<Found> {
  let found: Found | undefined;
  await until(what, () => (found = look()) !== undefined);
  return found!;
}

/** Waits until a count has begun and then stays what it is; answers it. A slow machine makes it smaller, never larger. */
export async function untilAtRest(count: () => number): Promise<number> {
  for (let before = 0;; await pause(50)) {
    const now = count();
    if (now === before && now > 0) return now;
    before = now;
  }
}

/**
 * A real pause, for a clock that a test can neither set nor see: a file's times, another program's seconds, a moment for what
 * must not happen. A test that pauses too briefly passes where it should fail, but never fails where it should pass.
 */
export const untilNextTick = pause;

/** Says whether what came after it was held up, as opposed to slow; what it must not wait for has to take longer than 10 s. */
export function startWatch(): () => boolean {
  const started = performance.now();
  return () => performance.now() - started > HELD_UP;
}

/** The processor's time that something takes in this process, in milliseconds: who else is busy does not count. */
export function processorTimeOf(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** The processor's time that a process has had, in seconds. */
export function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
