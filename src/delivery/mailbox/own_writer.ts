import { readDestinations } from "../../platform/file/mailbox/destination_file.ts";
import { MailFileFault } from "../../platform/file/mail_files.ts";
import { appendToMailbox } from "../../platform/file/mailbox/mailbox_file.ts";
import { deliverToMaildir } from "../../platform/file/mailbox/maildir.ts";
import { runCommand } from "../../platform/process/run_command.ts";
import type { CommandTask, Identity, MailTask, MailWriter, TaskResult } from "./writer.ts";

/** Nobody's message: for tasks that need none. */
export async function* noMessage(): AsyncGenerator<Uint8Array> {}

/**
 * Does tasks in this process. Root lends its files the user's identity; any other process acts only as itself, and for
 * mailboxes of the spool directory, which it then owns.
 */
export function createOwnWriter(own: Identity): MailWriter {
  return {
    async deliverTo(identity, task, message) {
      const spool = task.do === "mbox" && task.spool;
      if (own.uid !== 0 && own.uid !== identity.uid && !spool) {
        const why =
          `this needs the rights of uid ${identity.uid}, but the mail system runs without root as uid ${own.uid}`;
        return { is: "no right", why };
      }
      return await perform(own.uid === 0 ? identity : own, own, task, message);
    },
  };
}

async function perform(
  owner: Identity,
  own: Identity,
  task: MailTask,
  message: () => AsyncIterable<Uint8Array>,
): Promise<TaskResult> {
  try {
    switch (task.do) {
      case "mbox":
        await appendToMailbox(task.path, message(), { ...task, owner });
        return { is: "done" };
      case "maildir":
        await deliverToMaildir(task.path, message(), { ...task, owner });
        return { is: "done" };
      case "read":
        return { is: "read", text: readDestinations(task, owner) };
      case "command":
        return await command(task, own.uid === 0 && owner.uid !== 0 ? owner : undefined, message);
    }
  } catch (error) {
    if (error instanceof MailFileFault) return { is: "failed", code: error.code, why: error.message };
    throw error;
  }
}

async function command(
  task: CommandTask,
  identity: Identity | undefined,
  message: () => AsyncIterable<Uint8Array>,
): Promise<TaskResult> {
  const { environment, directory, timeLimit } = task;
  const options = { environment, directory, timeLimit, identity };
  const first = await runCommand({ ...options, argv: task.argv }, message());
  const end = first.is === "not started" && first.code === "ENOENT" && task.orElse !== undefined
    ? await runCommand({ ...options, argv: task.orElse }, message())
    : first;
  if (end.is !== "not started") return end;
  // As when a shell finds no program: a temporary failure that says why (exec_command).
  return { is: "exit", code: 75, output: `local: fatal: execvp ${task.argv[0]}: ${end.why}` };
}
