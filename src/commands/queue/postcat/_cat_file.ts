import { wholeStandardInput } from "../../../platform/process/standard_input.ts";
import { readWhole } from "../../../platform/file/random_access_file.ts";
import { systemErrorText } from "../../../platform/system_error.ts";
import { writeErr } from "../../../platform/process/this_process.ts";
import { PostcatFault, type PostcatWork } from "./_postcat_fault.ts";
import { PostcatText } from "./_postcat_text.ts";
import { isQueueFile, QueueFileFault, queueFileRecords } from "./_queue_file.ts";

/** Shows a queue file of Postfix's by its name. */
export function catFile(work: PostcatWork, path: string): void {
  let bytes: Buffer;
  try {
    bytes = readWhole(path);
  } catch (error) {
    throw new PostcatFault(`open ${path}: ${systemErrorText(error)}`);
  }
  show(work, path, bytes);
}

/** Shows what comes on standard input. */
export function catStandardInput(work: PostcatWork): void {
  show(work, "stdin", wholeStandardInput());
}

function show({ program, view, out, from }: PostcatWork, path: string, bytes: Buffer): void {
  if (bytes.length === 0) return;
  if (from === 0 && !isQueueFile(bytes)) {
    out.flush();
    writeErr(`${program}: warning: ${path}: input is not a valid queue file\n`);
    return;
  }
  const text = new PostcatText(view, path, (...parts) => out.write(...parts));
  if (from === 0) text.begin();
  try {
    for (const record of queueFileRecords(bytes, { from, raw: view.raw })) {
      if (!text.record(record) || out.signal.aborted) return;
    }
  } catch (error) {
    throw error instanceof QueueFileFault ? new PostcatFault(error.message) : error;
  }
}
