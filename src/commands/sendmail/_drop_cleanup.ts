import type { Cleanup, Committed, IncomingMessage, Submission } from "../../cleanup/cleanup.ts";
import { replyToFault } from "../../cleanup/message_draft.ts";
import type { Log } from "../../observe/log.ts";
import { type DropWriter, writeDrop } from "../../pickup/drop/drop_writer.ts";
import { errorCode, systemErrorText } from "../../platform/system_error.ts";
import { QueueFault } from "../../queue/store.ts";
import { refuse, type Reply } from "../../smtp/reply.ts";

const TOO_BIG = refuse(552, "5.3.4", "Error: message file too big");

/** What drops of a session are made with. */
export interface DropDeps {
  readonly queueDirectory: string;
  readonly sizeLimit: number;
  readonly log: Log;
}

/** Takes the messages of a session into the folder of drops, where pickup finds them. */
export function dropCleanup(deps: DropDeps): Cleanup {
  return { begin: (submission) => new DroppedMessage(deps, submission) };
}

class DroppedMessage implements IncomingMessage {
  readonly #deps: DropDeps;
  readonly #submission: Submission;
  #drop: DropWriter | undefined;
  #refusal: Reply | undefined;
  #size = 0;

  constructor(deps: DropDeps, submission: Submission) {
    this.#deps = deps;
    this.#submission = submission;
    this.#try(() => {
      this.#drop = begin(deps, submission);
      for (const { address, notify, orcpt } of submission.recipients) {
        this.#drop.recipient({
          address,
          ...(notify !== 0 && { notify }),
          ...(orcpt !== undefined && { orcpt }),
        });
      }
      this.#drop.content(Buffer.from(submission.prepend.join("")));
    });
  }

  get size(): number {
    return this.#size;
  }

  write(bytes: Uint8Array): void {
    this.#size += bytes.length;
    if (this.#refusal !== undefined) return;
    const { sizeLimit, log } = this.#deps;
    if (sizeLimit > 0 && this.#size > sizeLimit) {
      log.note("smtpd", "warning", `${this.#submission.id}: queue file size limit exceeded`);
      return this.#refuse(TOO_BIG);
    }
    this.#try(() => this.#drop?.content(bytes));
  }

  commit(): Promise<Committed> {
    this.#try(() => this.#drop?.finish());
    return Promise.resolve(
      this.#refusal === undefined
        ? { is: "queued", id: this.#submission.id, size: this.#size }
        : { is: "refused", reply: this.#refusal },
    );
  }

  abort(): void {
    this.#drop?.discard();
  }

  #refuse(reply: Reply): void {
    this.#refusal ??= reply;
    this.#drop?.discard();
  }

  /** Trouble with the drop is what the client hears at the end of the message. */
  #try(work: () => void): void {
    if (this.#refusal !== undefined) return;
    try {
      work();
    } catch (error) {
      const { id } = this.#submission;
      this.#deps.log.note("smtpd", "warning", `${id}: error writing drop: ${systemErrorText(error)}`);
      const isFull = ["ENOSPC", "EDQUOT"].includes(errorCode(error));
      this.#refuse(
        replyToFault(
          new QueueFault("drop a message", systemErrorText(error), { kind: isFull ? "full" : "failed" }),
        ),
      );
    }
  }
}

function begin({ queueDirectory }: DropDeps, submission: Submission): DropWriter {
  const { arrival, sender, ret, envid, body, smtputf8, requireTls, verp } = submission;
  return writeDrop(queueDirectory, {
    time: Math.floor(arrival),
    sender,
    ...(ret !== undefined && { ret }),
    ...(envid !== undefined && { envid }),
    ...(body !== undefined && { body }),
    ...(smtputf8 && { smtputf8 }),
    ...(requireTls && { requireTls }),
    ...(verp !== undefined && { verp }),
  });
}
