import fs from "node:fs";
import { constants } from "node:os";

/** A signal that a daemon answers to. */
export type SignalName = "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGUSR1" | "SIGUSR2" | "SIGCHLD";

/** Calls `handler` on each such signal instead of ending the process. */
export function onSignal(name: SignalName, handler: () => void): void {
  process.on(name, handler);
}

/** Sends a signal; false when there is no such process (or it is not ours). 0 only asks. */
export function signalProcess(pid: number, signal: "SIGTERM" | "SIGKILL" | "SIGHUP" | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Kills a process and all others of its group; false when there is none. */
export function killGroup(leader: number): boolean {
  return signalProcess(-leader, "SIGKILL");
}

/** The number of a signal's name, 0 for none. */
export function signalNumber(name: string): number {
  return (constants.signals as Readonly<Record<string, number>>)[name] ?? 0;
}

/** Whether a process of our user still works: one that has ended but was not taken leave of yet does not. */
export function isRunning(pid: number): boolean {
  if (!signalProcess(pid, 0)) return false;
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
    return !stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
  } catch {
    return true; // no /proc to look at
  }
}

/** This process's id. */
export function ownPid(): number {
  return process.pid;
}

/** Calls `report` for a throw or rejection that nobody caught: our bug. The process goes on; what it was doing is lost to it. */
export function onUncaught(report: (error: unknown) => void): void {
  process.on("uncaughtException", report);
  process.on("unhandledRejection", report);
}
