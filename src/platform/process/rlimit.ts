import fs from "node:fs";
import { libc, systemError } from "../libc.ts";

const RLIMIT_NOFILE = 7;

const open = () =>
  libc({
    getrlimit: { args: ["i32", "ptr"], returns: "i32" },
    setrlimit: { args: ["i32", "ptr"], returns: "i32" },
  });

/**
 * Raises the limit on open descriptors of this process and its later children to `wanted`, or as near as rights allow.
 * Answers the limit that holds now.
 */
export function raiseOpenFiles(wanted: number): number {
  const calls = open();
  const limit = new BigUint64Array(2);
  if (calls.getrlimit(RLIMIT_NOFILE, limit) < 0) throw systemError("getrlimit");
  const [soft, hard] = [Number(limit[0]), Number(limit[1])];
  if (soft >= wanted) return soft;
  const attempt = (newSoft: number, newHard: number): boolean =>
    calls.setrlimit(RLIMIT_NOFILE, BigUint64Array.of(BigInt(newSoft), BigInt(newHard))) === 0;
  if (wanted > hard && attempt(wanted, wanted)) return wanted;
  const reachable = Math.min(wanted, hard);
  return attempt(reachable, hard) ? reachable : soft;
}

/** How many descriptors this process has open. */
export function openDescriptors(): number {
  return fs.readdirSync("/proc/self/fd").length - 1;
}
