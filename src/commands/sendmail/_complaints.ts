import { writeErr } from "../../platform/process/this_process.ts";

/** Writes for a person to read: whether anybody does makes no difference to the mail. */
export function tell(write: (text: string) => void, text: string): void {
  try {
    write(text);
  } catch {
    // The reader has gone.
  }
}

/** What the log shall hear. */
export interface Remark {
  readonly level: "warning" | "error" | "fatal";
  readonly text: string;
}

/** Why nothing was sent. Its text is the last line that sendmail says. */
export class SendmailFault extends Error {
  override readonly name = "SendmailFault";
}

/**
 * The status of every failure, a wrong option as well as a full disk: sendmail(1) names others in its code, and its last act is to
 * exit with this one (observed).
 */
export const EX_TEMPFAIL = 75;

/** What sendmail says of its work: on standard error under the name it was called by, and at its end in the log. */
export class Complaints {
  readonly #name: string;
  readonly #remarks: Remark[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  /** What was said so far. */
  get remarks(): readonly Remark[] {
    return this.#remarks;
  }

  /** getopt's own words go to nobody else. */
  plain(text: string): void {
    tell(writeErr, `${this.#name}: ${text}\n`);
  }

  say(level: Remark["level"], text: string): void {
    this.plain(`${level}: ${text}`);
    this.#remarks.push({ level, text });
  }
}
