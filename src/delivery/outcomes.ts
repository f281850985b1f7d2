import type { Outcome, Part } from "./agent.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";
import type { TaskResult } from "./mailbox/writer.ts";

/** A final delivery that worked. */
export function sent(relay: string, text: string): Outcome {
  return { is: "sent", relay, detail: { status: "2.0.0", text, action: "delivered" } };
}

/** A failure, temporary or for good by the class of its status. */
export function failed(
  relay: string,
  status: string,
  text: string,
  more: Partial<RecipientDetail> = {},
): Outcome {
  return status.startsWith("4")
    ? { is: "deferred", relay, detail: { status, text, action: "delayed", ...more } }
    : { is: "bounced", relay, detail: { status, text, action: "failed", ...more } };
}

/** The end of the service came before anything was done for a recipient. */
export function interrupted(relay: string): Outcome {
  const text = "delivery was interrupted: mail system is stopping";
  return { is: "deferred", interrupted: true, relay, detail: { status: "4.3.2", text, action: "delayed" } };
}

/** An outcome that a command's end decided. */
export function commandFailed(relay: string, detail: RecipientDetail): Outcome {
  return failed(relay, detail.status, detail.text, detail);
}

/** Enhanced status of a mailbox error by the system's code. */
function mailboxStatus(code: string): string {
  switch (code) {
    case "EAGAIN":
    case "ESTALE":
    case "FOREIGN":
      return "4.2.0";
    case "ENOSPC":
      return "4.3.0";
    case "EXECUTABLE":
      return "5.7.1";
    case "EDQUOT":
    case "EFBIG":
      return "5.2.2";
    default:
      return "5.2.0";
  }
}

/** What a write into a mailbox, file or maildir means; `what` stands before the reason. */
export function written(relay: string, result: TaskResult, success: string, what: string): Outcome {
  switch (result.is) {
    case "done":
      return sent(relay, success);
    case "failed":
      return failed(relay, mailboxStatus(result.code), `${what}${result.why}`);
    case "no right":
      return failed(relay, "4.3.0", `${what}${result.why}`);
    default:
      return failed(relay, "4.3.0", `${what}unexpected answer "${result.is}"`);
  }
}

/** The outcome of a recipient from those of its parts; `expansion` says what became of the recipient itself. */
export function expanded(relay: string, parts: readonly Part[], action: "expanded" | "delivered"): Outcome {
  const detail: RecipientDetail = { status: "2.0.0", text: "alias expanded", action };
  if (parts.some((part) => part.outcome.is === "deferred")) return { is: "deferred", relay, detail, parts };
  if (parts.some((part) => part.outcome.is === "bounced")) return { is: "bounced", relay, detail, parts };
  return { is: "sent", relay, detail, parts };
}

/** Whether a mailbox is somebody else's (strict_mailbox_ownership). */
export function isForeign(result: TaskResult): boolean {
  return result.is === "failed" && result.code === "FOREIGN";
}

/** What the log says beside such a recipient's line. */
export const OWNERSHIP_HINT = 'specify "strict_mailbox_ownership = no" to ignore mailbox ownership mismatch';

/** What the log says beside the line of a recipient whose maildir is out of reach. */
export function maildirHints(why: string, uid: number, gid: number): readonly string[] {
  return [
    `maildir access problem for UID/GID=${uid}/${gid}: ${why}`,
    "perhaps you need to create the maildirs in advance",
  ];
}
