import { CString, dlopen, type Pointer, ptr } from "bun:ffi";

interface Libc {
  localtime(seconds: BigInt64Array, into: Uint8Array): void;
}

let libc: Libc | undefined;
let looked = false;

function openLibc(): Libc | undefined {
  if (looked) return libc;
  looked = true;
  try {
    const { symbols } = dlopen("libc.so.6", { localtime_r: { args: ["ptr", "ptr"], returns: "ptr" } });
    libc = { localtime: (seconds, into) => void symbols.localtime_r(ptr(seconds), ptr(into)) };
  } catch {
    // No glibc: the caller falls back to the runtime's own names.
  }
  return libc;
}

function fallbackName(milliseconds: number): string {
  const parts = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(milliseconds);
  return parts.find((part) => part.type === "timeZoneName")?.value ?? "UTC";
}

/** Abbreviation of the local time zone at that moment: `UTC`, `CET`, `EDT` (strftime's %Z). */
export function timeZoneName(milliseconds: number): string {
  const system = openLibc();
  if (system === undefined) return fallbackName(milliseconds);
  const tm = new Uint8Array(64);
  system.localtime(BigInt64Array.of(BigInt(Math.floor(milliseconds / 1000))), tm);
  // struct tm of 64-bit glibc: nine ints, padding, tm_gmtoff at 40, tm_zone at 48.
  const zone = Number(new DataView(tm.buffer).getBigUint64(48, true)) as Pointer;
  return zone === 0 ? fallbackName(milliseconds) : new CString(zone).toString();
}
