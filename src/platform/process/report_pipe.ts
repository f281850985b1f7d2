import fs from "node:fs";

/** Descriptor on which a detached start tells its parent how it went (`spawnDetached`). */
const REPORT_DESCRIPTOR = 3;

/** Writes the report and closes the pipe; later calls do nothing. */
export function openReport(): (text: string) => void {
  let open = true;
  return (text) => {
    if (!open) return;
    open = false;
    try {
      fs.writeSync(REPORT_DESCRIPTOR, text === "" ? "ready\n" : text);
      fs.closeSync(REPORT_DESCRIPTOR);
    } catch { /* the parent is gone: nobody to tell */ }
  };
}
