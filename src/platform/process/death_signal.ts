import { constants } from "node:os";
import { libc } from "../libc.ts";

const [PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_SET_CHILD_SUBREAPER] = [1, 2, 36];

const open = () => libc({ prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" } });
const openToAsk = () => libc({ prctl: { args: ["i32", "ptr"], returns: "i32" } });
let calls: ReturnType<typeof open> | undefined;
let questions: ReturnType<typeof openToAsk> | undefined;

const set = (option: number, value: number) => (calls ??= open()).prctl(option, BigInt(value), 0n, 0n, 0n);

/** The system kills this process when the thread that started it is gone; that goes on to hold after execve(2). */
export function dieWithParent(): void {
  set(PR_SET_PDEATHSIG, constants.signals.SIGKILL);
}

/** Whatever its children leave behind becomes this process's child (prctl(2), PR_SET_CHILD_SUBREAPER). */
export function adoptOrphans(): void {
  set(PR_SET_CHILD_SUBREAPER, 1);
}

/** Runs `work`, and restores the signal that this process gets when its parent dies: a change of its user takes it away (prctl(2)). */
export function keepingDeathSignal<T>(work: () => T): T {
  const before = deathSignal();
  try {
    return work();
  } finally {
    if (before !== 0) set(PR_SET_PDEATHSIG, before);
  }
}

/** 0 for none, and where the system cannot be asked. */
function deathSignal(): number {
  const signal = new Int32Array(1);
  try {
    (questions ??= openToAsk()).prctl(PR_GET_PDEATHSIG, signal);
  } catch {
    return 0;
  }
  return signal[0]!;
}
