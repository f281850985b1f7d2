import { printable } from "../base/printable.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";
import type { TaskResult } from "./mailbox/writer.ts";

/** What exit statuses mean to a mail system (sysexits(3); master-cf page, pipe(8)). */
const EXITS: Readonly<Record<number, readonly [status: string, text: string]>> = {
  64: ["5.3.0", "command line usage error"],
  65: ["5.6.0", "data format error"],
  66: ["5.3.0", "cannot open input"],
  67: ["5.1.1", "user unknown"],
  68: ["5.1.2", "host name unknown"],
  69: ["5.3.0", "service unavailable"],
  70: ["5.3.0", "internal software error"],
  71: ["4.3.0", "system resource problem"],
  72: ["5.3.0", "critical OS file missing"],
  73: ["5.2.0", "can't create user output file"],
  74: ["5.3.0", "input/output error"],
  75: ["4.3.0", "temporary failure"],
  76: ["5.5.0", "remote error in protocol"],
  77: ["5.7.0", "permission denied"],
  78: ["5.3.5", "local configuration error"],
};

/** A command's output on one line: tabs and line feeds are blanks, other controls underscores, as Postfix has it. */
export function printableOutput(output: string): string {
  return printable(output.replace(/[\n\t]/g, " "), "_");
}

function detail(status: string, text: string, diagnostic = text): RecipientDetail {
  const action = status.startsWith("4") ? "delayed" : "failed";
  return { status, text, action, diagnosticType: "x-unix", diagnostic };
}

/** What the end of a command means for the recipient; undefined when it was a success. */
export function commandFailure(
  result: Extract<TaskResult, { is: "exit" | "signal" | "time limit" }>,
  command: string,
): RecipientDetail | undefined {
  if (result.is === "time limit") {
    return detail("5.3.0", `Command time limit exceeded: "${command}"`, "internal software error");
  }
  const output = printableOutput(result.output);
  const tail = output === "" ? "" : `. Command output: ${output}`;
  if (result.is === "signal") {
    return detail("4.3.0", `Command died with signal ${result.signal}: "${command}"${tail}`);
  }
  if (result.code === 0) return undefined;
  const own = /^([45]\.\d{1,3}\.\d{1,3})\s+(.*)$/.exec(output);
  if (own !== null) return detail(own[1]!, own[2]!, own[2]!.trimEnd());
  const said = output.trimEnd();
  const known = EXITS[result.code];
  if (known !== undefined) return detail(known[0], `${known[1]}${tail}`, said === "" ? known[1] : said);
  const text = `Command died with status ${result.code}: "${command}"${tail}`;
  return detail("5.3.0", text, said === "" ? `unknown mail system error ${result.code}` : said);
}
