// What a process takes of the machine, as the kernel counts it.
import { readFileSync, writeFileSync } from "node:fs";

/** Most and present resident memory of a process, in bytes. */
export interface ProcessMemory {
  readonly peak: number;
  readonly now: number;
}

/** Reads /proc. */
export function memoryOf(pid: number): ProcessMemory {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+)`, "m").exec(status)![1]);
  return { peak: kilobytes("VmHWM") * 1024, now: kilobytes("VmRSS") * 1024 };
}

/** From now on the peak is counted anew. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}
