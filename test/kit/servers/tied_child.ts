// Processes of a test that end with the run, whatever ends it: a failed test, a suite that was given up, a kill.
import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";

/**
 * A command whose process the system kills when this one is gone: nobody runs exit handlers after `bun test`, or after a kill.
 * Not for programs that change their user themselves: that unties them.
 */
export function tied(command: readonly string[]): string[] {
  return ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--", ...command];
}

/** `spawn` of a tied command; its process is the command's own. */
export function spawnTied(
  program: string,
  args: readonly string[],
  options: SpawnOptions = {},
): ChildProcess {
  const [first, ...rest] = tied([program, ...args]);
  return spawn(first!, rest, options);
}
