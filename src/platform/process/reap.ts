import fs from "node:fs";
import { libc } from "../libc.ts";

const WNOHANG = 1;
const open = () => libc({ waitpid: { args: ["i32", "ptr", "i32"], returns: "i32" } });
let calls: ReturnType<typeof open> | undefined;

/**
 * Takes leave of dead children that are not ours but were left to us, as process 1 of a container must; those in `own` are
 * the runtime's to wait for. Answers how many.
 */
export function reapOrphans(own: ReadonlySet<number>): number {
  let reaped = 0;
  for (const pid of childrenOfThisProcess()) {
    if (own.has(pid)) continue;
    if ((calls ??= open()).waitpid(pid, new Int32Array(1), WNOHANG) === pid) reaped++;
  }
  return reaped;
}

/** The processes whose parent this one is. */
export function childrenOfThisProcess(): number[] {
  const out: number[] = [];
  for (const task of fs.readdirSync("/proc/self/task")) {
    try {
      const text = fs.readFileSync(`/proc/self/task/${task}/children`, "latin1");
      out.push(...text.split(" ").filter((word) => word !== "").map(Number));
    } catch { /* the thread has ended */ }
  }
  return out;
}
