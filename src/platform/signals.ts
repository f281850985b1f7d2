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

/** This process's id. */
export function ownPid(): number {
  return process.pid;
}

/** Calls `report` for a throw or rejection that nobody caught: our bug. The process goes on; what it was doing is lost to it. */
export function onUncaught(report: (error: unknown) => void): void {
  process.on("uncaughtException", report);
  process.on("unhandledRejection", report);
}
