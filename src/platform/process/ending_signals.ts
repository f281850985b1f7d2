import fs from "node:fs";
import { signalNumber } from "./signals.ts";

/** Signals that ask a program to end. */
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;
type EndingSignal = (typeof ENDING)[number];

/** Calls `handler` on the first signal that asks this process to end; it then ends by `endBySignal`. Ones that it was started to ignore stay so. */
export function onEndingSignals(handler: (signal: EndingSignal) => void): void {
  for (const name of ENDING) {
    if (!isIgnored(name)) process.once(name, () => handler(name));
  }
}

/** Ends this process by the signal, so that its parent sees what ended it. */
export function endBySignal(signal: EndingSignal): void {
  for (const name of ENDING) process.removeAllListeners(name);
  process.kill(process.pid, signal);
}

/** What nohup(1) and kin have done before this program began (proc(5), SigIgn). */
function isIgnored(name: EndingSignal): boolean {
  try {
    const [, mask = "0"] = /^SigIgn:\s*([0-9a-f]+)/m.exec(fs.readFileSync("/proc/self/status", "latin1")) ??
      [];
    return (BigInt(`0x${mask}`) >> BigInt(signalNumber(name) - 1)) % 2n === 1n;
  } catch {
    return false;
  }
}
