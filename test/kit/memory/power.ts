// Ends processes as a power failure would: at once, wherever they are.
import { readdirSync, readFileSync } from "node:fs";
import type { Server } from "../server.ts";
import { until } from "../waiting.ts";

/** A process and all that it started. */
export function family(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch { /* it ended meanwhile */ }
  }
  const members = [pid];
  for (let at = 0; at < members.length; at++) {
    for (const [child, parent] of parents) if (parent === members[at]) members.push(child);
  }
  return members;
}

/** A signal, SIGKILL if not told otherwise, for each that still runs. */
export function kill(pids: readonly number[], signal: NodeJS.Signals = "SIGKILL"): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch { /* it ended meanwhile */ }
  }
}

/** Stops every process of a server at once, in the middle of whatever it does. */
export async function cutPower(server: Server): Promise<void> {
  const pids = family(server.pid);
  server.signal("SIGSTOP"); // so that master starts no worker in between
  kill([...pids.slice(1), server.pid]);
  await server.exited;
  await until("the end of all processes", () => !pids.some(isRunning));
}

/** Whether a process is there and no zombie. */
export function isRunning(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}
