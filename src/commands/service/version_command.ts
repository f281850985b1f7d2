import { writeOut } from "../../platform/process/this_process.ts";
import { VERSION } from "../../base/version.ts";

/** `mta version` prints one line. */
export function version(): number {
  writeOut(`mta ${VERSION}\n`);
  return 0;
}
