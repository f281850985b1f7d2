import fs from "node:fs";

/** Descriptor on which a detached start tells its parent how it went (`spawnDetached`). */
const REPORT_DESCRIPTOR = 3;

/** Writes why it failed, or `ready` and what is to be said all the same, and closes the pipe; later calls do nothing. */
export function openReport(): (failure: string, remarks: readonly string[]) => void {
  let open = true;
  return (failure, remarks) => {
    if (!open) return;
    open = false;
    try {
      fs.writeSync(REPORT_DESCRIPTOR, failure === "" ? ["ready", ...remarks, ""].join("\n") : failure);
      fs.closeSync(REPORT_DESCRIPTOR);
    } catch { /* the parent is gone: nobody to tell */ }
  };
}
