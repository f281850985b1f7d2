import { ptr } from "bun:ffi";
import { libc } from "./libc.ts";

/** struct timex has 208 bytes on 64-bit Linux; with `modes` 0 nothing is set. */
const TIMEX = 208;
const [OFFSET_MAXERROR, OFFSET_STATUS] = [24, 40];
const STA_UNSYNC = 0x40;

/** What the kernel says of its clock. */
export interface KernelClock {
  /** Something keeps it to the true time (adjtimex(2), STA_UNSYNC). */
  readonly synchronised: boolean;
  /** How far it may be off, as far as the kernel knows, in microseconds. */
  readonly maximalError: number;
}

/** The state of the kernel's clock; undefined where it may not be asked. */
export function kernelClock(): KernelClock | undefined {
  try {
    const { adjtimex } = libc({ adjtimex: { args: ["ptr"], returns: "i32" } });
    const timex = Buffer.alloc(TIMEX);
    if (adjtimex(ptr(timex)) < 0) return undefined;
    return {
      synchronised: (timex.readInt32LE(OFFSET_STATUS) & STA_UNSYNC) === 0,
      maximalError: Number(timex.readBigInt64LE(OFFSET_MAXERROR)),
    };
  } catch {
    return undefined; // no C library to call
  }
}
