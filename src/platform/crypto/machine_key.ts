import fs from "node:fs";
import { hmac, randomBytes } from "./digest.ts";

/** What tells machines apart and no stranger knows: machine-id(5), or what holds until the next boot. */
const SOURCES = ["/etc/machine-id", "/proc/sys/kernel/random/boot_id"];

/** A key that all processes of this machine have in common, for one purpose. It is no secret from the machine's own users. */
export function machineKey(purpose: string): Buffer {
  for (const path of SOURCES) {
    try {
      const text = fs.readFileSync(path, "latin1").trim();
      if (text !== "") return hmac("sha256", text, purpose);
    } catch { /* the next source */ }
  }
  return randomBytes(32);
}
