import { GatheredBytes } from "../../base/gathered_bytes.ts";
import { either, oneOf, record, type Shape, text } from "../../base/shape.ts";
import { mailTask, taskResult } from "../../delivery/mailbox/task_shape.ts";
import type { MailTask, TaskResult } from "../../delivery/mailbox/writer.ts";

/**
 * What a worker and a delivery helper say to each other on a unix socket, one task a connection:
 *
 * ```
 * worker: the task, a line of JSON
 * helper: {"message": true}, a line each time it wants the message; the worker then sends it in frames
 * helper: {"result": ...}, a line of JSON
 * ```
 *
 * A frame is its length in four bytes and as many bytes; an empty frame ends the message.
 */
export interface TaskLine {
  readonly task: MailTask;
}

/** A line of the helper. */
export type HelperLine = { readonly message: true } | { readonly result: TaskResult } | {
  readonly bug: string;
};

export const taskLine: Shape<TaskLine> = record<TaskLine>({ task: mailTask });

/** What a worker takes from a helper. */
export const helperLine: Shape<HelperLine> = either(
  record<{ readonly message: true }>({ message: oneOf(true) }),
  either(
    record<{ readonly result: TaskResult }>({ result: taskResult }),
    record<{ readonly bug: string }>({ bug: text(64 * 1024) }),
  ),
);

/** Longest line of a helper: a file of addresses is the longest thing that one reads for a worker. */
export const RESULT_LIMIT = 10 * 1024 * 1024;
/** Lines of a helper for one task: a message is asked for twice at most. */
export const MOST_LINES = 8;

/** Longest task line: paths, arguments and an environment. */
const TASK_LIMIT = 1024 * 1024;
/** Longest frame. */
export const FRAME_LIMIT = 256 * 1024;

/** A line of either side. */
export function printLine(value: TaskLine | HelperLine): string {
  return `${JSON.stringify(value)}\n`;
}

/** The frame of some bytes; none for the end. */
export function frameHead(length: number): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(length);
  return head;
}

/** Takes a stream apart: the task's line first, then frames. */
export class TaskReader {
  readonly #rest = new GatheredBytes();
  #lineRead = false;

  /** Events in order; an over-long line or frame is a breach. */
  *push(
    chunk: Buffer,
  ): Generator<{ readonly line: string } | { readonly frame: Buffer } | { readonly breach: string }> {
    this.#rest.add(chunk);
    if (!this.#lineRead) {
      const end = this.#rest.lineEnd();
      if (end < 0) {
        if (this.#rest.length > TASK_LIMIT) yield { breach: "task too long" };
        return;
      }
      this.#lineRead = true;
      yield { line: this.#rest.take(end + 1).toString("utf8", 0, end) };
    }
    while (this.#rest.length >= 4) {
      const length = this.#rest.bytes.readUInt32BE(0);
      if (length > FRAME_LIMIT) return void (yield { breach: "frame too long" });
      if (this.#rest.length < 4 + length) return;
      yield { frame: this.#rest.take(4 + length).subarray(4) };
    }
  }
}
