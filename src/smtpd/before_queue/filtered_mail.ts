import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import type { Committed, LateChanges } from "../../cleanup/cleanup.ts";
import type { Reply } from "../../smtp/reply.ts";
import type { Told } from "./xforward_lines.ts";

/** A message that a filter has answered for: whether it was taken is in its reply. */
export interface Answered {
  readonly is: "answered";
  readonly reply: Reply;
}

/** Where content goes: to cleanup, or to a filter. */
export interface ContentSink {
  /** Bytes of content so far. */
  readonly size: number;
  write(bytes: Uint8Array): MaybeAsync<void>;
  commit(late?: LateChanges): Promise<Committed | Answered>;
  abort(): void;
}

/** A transaction as the filter before the queue has it. A reply is given only where the client must hear it: the filter refuses. */
export interface FilteredMail {
  /** At the first good recipient, or at MAIL without smtpd_delay_open_until_valid_rcpt. */
  open(): MaybeAsync<Reply | undefined>;
  /** It has been opened. */
  readonly isOpen: boolean;
  /** RCPT, as the client wrote it. */
  recipient(line: string): MaybeAsync<Reply | undefined>;
  /** DATA, as the client wrote it, or in place of its first BDAT. */
  data(line: string): MaybeAsync<Reply | undefined>;
  /** The content follows, behind `head`. */
  begin(head: Buffer): ContentSink;
  /** The transaction is over, or given up. */
  close(): void;
}

/** Begins a message with the client's MAIL command, and what is told of the client. */
export type BeginFiltered = (mail: string, told: Told) => FilteredMail;

/** What a sink does with the content that it takes. */
export interface Course {
  /** Longest content in bytes, 0 for any length (message_size_limit). */
  readonly sizeLimit: number;
  take(bytes: Buffer): MaybeAsync<void>;
  /** It is too large: nothing more of it is wanted. */
  tooLarge(): Reply;
  /** All of it was taken. */
  end(): Promise<Reply>;
  close(): void;
}

/** Content on the way to a filter; the head in front of it does not count as its size. */
export class FilterSink implements ContentSink {
  readonly #course: Course;
  #head: Buffer | undefined;
  #size = 0;

  constructor(course: Course, head: Buffer) {
    this.#course = course;
    this.#head = head;
  }

  get size(): number {
    return this.#size;
  }

  get #isTooLarge(): boolean {
    const { sizeLimit } = this.#course;
    return sizeLimit > 0 && this.#size > sizeLimit;
  }

  write(bytes: Uint8Array): MaybeAsync<void> {
    this.#size += bytes.length;
    if (this.#isTooLarge) return;
    const content = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const head = this.#flushHead();
    return isPromise(head) ? head.then(() => this.#course.take(content)) : this.#course.take(content);
  }

  async commit(): Promise<Answered> {
    try {
      if (this.#isTooLarge) return { is: "answered", reply: this.#course.tooLarge() };
      await this.#flushHead();
      return { is: "answered", reply: await this.#course.end() };
    } finally {
      this.#course.close();
    }
  }

  abort(): void {
    this.#course.close();
  }

  #flushHead(): MaybeAsync<void> {
    const head = this.#head;
    this.#head = undefined;
    return head === undefined || head.length === 0 ? undefined : this.#course.take(head);
  }
}
