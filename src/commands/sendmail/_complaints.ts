import { writeErr } from "../../platform/process/this_process.ts";

/** Where what sendmail has to say goes beside standard error: the mail log, once it is known. */
export type Note = (level: "warning" | "error" | "fatal", text: string) => void;

/** Why nothing was sent. Its text is the last line that sendmail says. */
export class SendmailFault extends Error {
  override readonly name = "SendmailFault";
}

/**
 * The status of every failure, a wrong option as well as a full disk: sendmail(1) names others in its code, and its last act is to
 * exit with this one (observed).
 */
export const EX_TEMPFAIL = 75;

/** What sendmail says of its work: on standard error under the name it was called by, and in the log. */
export class Complaints {
  readonly #name: string;
  #note: Note = () => {};

  constructor(name: string) {
    this.#name = name;
  }

  /** From now on the log hears everything, too. */
  logTo(note: Note): void {
    this.#note = note;
  }

  /** getopt's own words go to nobody else. */
  plain(text: string): void {
    writeErr(`${this.#name}: ${text}\n`);
  }

  say(level: "warning" | "error" | "fatal", text: string): void {
    this.plain(`${level}: ${text}`);
    this.#note(level, text);
  }
}
