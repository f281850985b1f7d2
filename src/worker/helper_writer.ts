import type { Identity, MailTask, MailWriter, TaskResult } from "../delivery/mailbox/writer.ts";
import { connect, type Connection } from "../platform/socket/connection.ts";
import { lineSplitter } from "../master/control/control_client.ts";
import { FRAME_LIMIT, frameHead, type HelperLine, printLine } from "../master/helper/helper_protocol.ts";

/** What the writer needs. */
export interface HelperWriterOptions {
  /** Who this process is: its own deliveries need no helper. */
  readonly own: Identity;
  readonly ownWriter: MailWriter;
  /** Path of the socket of a helper with that identity; rejects when master will not start one. */
  readonly helper: (identity: Identity) => Promise<string>;
  /** Who keeps root's mailbox in the spool folder: no helper is root (default_privs). */
  readonly standIn: Identity;
  /** Whose a folder is. */
  readonly ownership: (
    path: string,
  ) => { readonly gid: number; readonly groupWrites: boolean } | "hidden" | undefined;
}

/** A helper may have ended for lack of work just when it was asked. */
const ATTEMPTS = 3;
/** A helper that says nothing for so long does not live: commands have a time limit of their own, below. */
const SILENCE = 300_000;

/** Does deliveries with other users' rights through delivery helpers. */
export function createHelperWriter(options: HelperWriterOptions): MailWriter {
  return {
    async deliverTo(identity, task, message) {
      if (identity.uid === options.own.uid) return await options.ownWriter.deliverTo(identity, task, message);
      const as = spoolIdentity(identity, task, options);
      for (let attempt = 1;; attempt++) {
        let path: string;
        try {
          path = await options.helper(as);
        } catch (error) {
          return { is: "no right", why: (error as Error).message };
        }
        const result = await perform(path, task, message);
        if (result !== undefined) return result;
        if (attempt === ATTEMPTS) {
          return { is: "failed", code: "EAGAIN", why: "the delivery helper does not answer" };
        }
      }
    },
  };
}

/**
 * In a spool folder that its group may write to (/var/mail) the user's mailbox is made with that group; root's is made by
 * the stand-in, and root can read it.
 */
function spoolIdentity(
  identity: Identity,
  task: MailTask,
  { ownership, standIn }: HelperWriterOptions,
): Identity {
  if (task.do !== "mbox" || !task.spool) return identity;
  const { uid, gid } = identity.uid === 0 ? standIn : identity;
  const folder = ownership(task.path.slice(0, task.path.lastIndexOf("/")) || "/");
  const shared = folder !== undefined && folder !== "hidden" && folder.groupWrites && folder.gid !== 0;
  return { uid, gid: shared ? folder.gid : gid };
}

/** One task; undefined when there was no helper at the socket. */
async function perform(
  path: string,
  task: MailTask,
  message: () => AsyncIterable<Uint8Array>,
): Promise<TaskResult | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<TaskResult | undefined>();
  let drained = () => {};
  let started = false;
  const lines = lineSplitter((line) => {
    started = true;
    const said = JSON.parse(line) as HelperLine; // our own program at the other end
    if ("result" in said) resolve(said.result);
    else if ("bug" in said) reject(new Error(said.bug));
    else void stream(connection, message, () => new Promise((done) => drained = done)).catch(reject);
  });
  const lost = () => started ? reject(new Error("the delivery helper died")) : resolve(undefined);
  let connection: Connection;
  try {
    connection = await connect({ path }, { timeout: 5000 }, () => ({
      data: lines,
      end: lost,
      drain: () => drained(),
      timeout: lost,
      close: () => (drained(), lost()),
    }));
  } catch {
    return undefined;
  }
  connection.setTimeout(SILENCE + (task.do === "command" ? task.timeLimit : 0));
  connection.write(printLine({ task }));
  try {
    return await promise;
  } finally {
    connection.destroy();
  }
}

async function stream(
  connection: Connection,
  message: () => AsyncIterable<Uint8Array>,
  drain: () => Promise<void>,
): Promise<void> {
  for await (const piece of message()) {
    for (let at = 0; at < piece.length; at += FRAME_LIMIT) {
      const frame = piece.subarray(at, at + FRAME_LIMIT);
      connection.write(frameHead(frame.length));
      const free = connection.write(frame);
      if (!free) await drain();
    }
  }
  connection.write(frameHead(0));
}
