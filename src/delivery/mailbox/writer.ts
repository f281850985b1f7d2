import type { DestinationFile } from "../../platform/file/mailbox/destination_file.ts";
import type { AppendOptions } from "../../platform/file/mailbox/mailbox_file.ts";

/** A user and group by number. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
}

/** Appending to an mbox file. */
export interface MboxTask extends Omit<AppendOptions, "owner"> {
  readonly do: "mbox";
  readonly path: string;
  /**
   * A mailbox in the common spool directory: where this process cannot have the user's identity it may deliver with its own,
   * when the directory lets it.
   */
  readonly spool: boolean;
}

/** Delivering into a maildir. */
export interface MaildirTask {
  readonly do: "maildir";
  /** Without the slash at the end. */
  readonly path: string;
  readonly hostname: string;
  readonly sizeLimit: number;
}

/** Running a command with the message on its standard input. */
export interface CommandTask {
  readonly do: "command";
  /** Tried in turn when the one before is no program (a shell's own word). */
  readonly argv: readonly string[];
  readonly orElse?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
  /** Milliseconds. */
  readonly timeLimit: number;
}

/** Reading a `.forward` or the file of an `:include:`; the message is not needed. */
export interface ReadTask extends DestinationFile {
  readonly do: "read";
}

/** What a delivery needs done with somebody's rights. Plain data: it also travels to a delivery helper. */
export type MailTask = MboxTask | MaildirTask | CommandTask | ReadTask;

/** What came of a task. */
export type TaskResult =
  /** Written and synced. */
  | { readonly is: "done" }
  /** What the file says; undefined when there is none. */
  | { readonly is: "read"; readonly text?: string }
  /** `code` is the system's (EACCES, ENOSPC, ...), or one of ours for what the file is: `EXECUTABLE`, `FOREIGN`, `IRREGULAR`. */
  | { readonly is: "failed"; readonly code: string; readonly why: string }
  | { readonly is: "exit"; readonly code: number; readonly output: string }
  | { readonly is: "signal"; readonly signal: number; readonly output: string }
  | { readonly is: "time limit" }
  /** This process may not act for that user, and there is no helper that may. */
  | { readonly is: "no right"; readonly why: string };

/** Does tasks with the rights of users. `message` yields the bytes to write, whole, each time it is called. */
export interface MailWriter {
  deliverTo(
    identity: Identity,
    task: MailTask,
    message: () => AsyncIterable<Uint8Array>,
  ): Promise<TaskResult>;
}
