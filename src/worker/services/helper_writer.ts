import type { Identity, MailTask, MailWriter, TaskResult } from "../../delivery/mailbox/writer.ts";
import type { Ownership } from "../../delivery/local/local_deps.ts";
import { readJson } from "../../base/bounded_json.ts";
import { systemClock } from "../../base/clock.ts";
import { LineReader } from "../../base/line_reader.ts";
import { Misfit } from "../../base/shape.ts";
import { connect, type Connection, type ConnectionHandler } from "../../platform/socket/connection.ts";
import {
  FRAME_LIMIT,
  frameHead,
  helperLine,
  MOST_LINES,
  printLine,
  RESULT_LIMIT,
} from "../../master/helper/helper_protocol.ts";

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
  ) => Ownership | "hidden" | undefined;
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
        if (result !== undefined) return withRemedy(result, task, options);
        if (attempt === ATTEMPTS) {
          return { is: "failed", code: "EAGAIN", why: "the delivery helper does not answer" };
        }
      }
    },
  };
}

/**
 * In a spool folder that its group may write to, and not everybody (/var/mail), the user's mailbox is made with that group;
 * root's is made by the stand-in, and root can read it.
 */
function spoolIdentity(
  identity: Identity,
  task: MailTask,
  { ownership, standIn }: HelperWriterOptions,
): Identity {
  if (task.do !== "mbox" || !task.spool) return identity;
  const { uid, gid } = identity.uid === 0 ? standIn : identity;
  const folder = ownership(folderOf(task.path));
  const known = folder !== undefined && folder !== "hidden";
  const shared = known && folder.groupWrites && !folder.othersWrite && folder.gid !== 0;
  return { uid, gid: shared ? folder.gid : gid };
}

const folderOf = (path: string) => path.slice(0, path.lastIndexOf("/")) || "/";

/** In a spool folder that only root may write to Postfix makes mailboxes and locks as root; here that waits for the operator. */
function withRemedy(result: TaskResult, task: MailTask, { ownership }: HelperWriterOptions): TaskResult {
  if (task.do !== "mbox" || !task.spool || result.is !== "failed" || result.code !== "EACCES") return result;
  const path = folderOf(task.path);
  const folder = ownership(path);
  if (folder === undefined || folder === "hidden" || folder.groupWrites || folder.othersWrite) return result;
  const why = `${result.why} (nothing is delivered as root: chgrp mail ${path}; chmod g+w ${path})`;
  return { is: "no right", why };
}

/** One task; undefined when there was no helper at the socket. */
async function perform(
  path: string,
  task: MailTask,
  message: () => AsyncIterable<Uint8Array>,
): Promise<TaskResult | undefined> {
  const dialogue = new TaskDialogue(task, message);
  try {
    dialogue.begin(await connect({ path }, { timeout: 5000 }, () => dialogue));
  } catch {
    return undefined;
  }
  return await dialogue.result;
}

/**
 * The worker's side of one task. The helper is a process of the user whose mail it is, who may have had his hands in it: it is
 * heard like a stranger, for a bounded time, and says a bounded number of lines of bounded length.
 */
class TaskDialogue implements ConnectionHandler {
  readonly #task: MailTask;
  readonly #message: () => AsyncIterable<Uint8Array>;
  readonly #result = Promise.withResolvers<TaskResult | undefined>();
  readonly #lines = new LineReader(RESULT_LIMIT);
  readonly #silence: number;
  #connection: Connection | undefined;
  #said = 0;
  #drained = () => {};
  #cancelSilence = () => {};

  constructor(task: MailTask, message: () => AsyncIterable<Uint8Array>) {
    this.#task = task;
    this.#message = message;
    this.#silence = SILENCE + (task.do === "command" ? task.timeLimit : 0);
  }

  get result(): Promise<TaskResult | undefined> {
    return this.#result.promise;
  }

  begin(connection: Connection): void {
    this.#connection = connection;
    const over = () => (this.#cancelSilence(), connection.destroy());
    this.#result.promise.then(over, over);
    this.#moved();
    connection.write(printLine({ task: this.#task }));
  }

  /** What is said or taken counts, bytes that drip do not. */
  #moved(): void {
    this.#cancelSilence();
    this.#cancelSilence = systemClock.after(this.#silence, () => this.#lost());
  }

  data(chunk: Buffer): void {
    if (!this.#lines.push(chunk, (line) => this.#line(line))) {
      this.#distrust("the delivery helper says more than it may");
    }
  }

  #line(line: string): void {
    this.#moved();
    const said = ++this.#said > MOST_LINES ? new Misfit("a result") : readJson(line, helperLine);
    if (said instanceof Misfit) this.#distrust(`malformed answer of the delivery helper: ${said}`);
    else if ("result" in said) this.#result.resolve(said.result);
    else if ("bug" in said) this.#result.reject(new Error(said.bug));
    else void this.#stream().catch(this.#result.reject);
  }

  /** Whatever the user did, it is his own mail that waits. */
  #distrust(why: string): void {
    this.#result.resolve({ is: "failed", code: "EAGAIN", why });
  }

  async #stream(): Promise<void> {
    if (this.#connection === undefined) return;
    await stream(this.#connection, this.#message, () => new Promise((done) => this.#drained = done));
  }

  #lost(): void {
    if (this.#said > 0) this.#result.reject(new Error("the delivery helper died"));
    else this.#result.resolve(undefined);
  }

  end(): void {
    this.#lost();
  }

  drain(): void {
    this.#moved();
    this.#drained();
  }

  timeout(): void {}

  close(): void {
    this.#drained();
    this.#lost();
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
