import type { Cleanup, Committed, IncomingMessage, Submission } from "../../../src/cleanup/cleanup.ts";
import type { QueueId } from "../../../src/queue/envelope.ts";
import type { Reply } from "../../../src/smtp/reply.ts";

/** What was submitted, as wire text: the prepended headers and the content. */
export interface Submitted {
  readonly submission: Submission;
  readonly text: string;
}

/** A cleanup that keeps what is submitted, or refuses it. */
export interface MemoryCleanup extends Cleanup {
  readonly submitted: Submitted[];
  /** When set, answers every commit for which it answers a reply. */
  refuse: ((text: string) => Reply | undefined) | undefined;
}

/** A cleanup for tests: rewrites nothing. */
export function memoryCleanup(): MemoryCleanup {
  const submitted: Submitted[] = [];
  const cleanup: MemoryCleanup = {
    submitted,
    refuse: undefined,
    begin(submission): IncomingMessage {
      const pieces: Uint8Array[] = [];
      let size = 0;
      return {
        get size() {
          return size;
        },
        write(bytes) {
          pieces.push(Buffer.from(bytes));
          size += bytes.length;
        },
        async commit(): Promise<Committed> {
          const text = submission.prepend.join("") + Buffer.concat(pieces).toString("latin1");
          const reply = cleanup.refuse?.(text);
          if (reply !== undefined) return { is: "refused", reply };
          submitted.push({ submission, text });
          return { is: "queued", id: submission.id, size: text.length };
        },
        abort() {},
      };
    },
  };
  return cleanup;
}

/** Ids in order: N1, N2, ... */
export function countedIds(prefix = "N"): () => QueueId {
  let count = 0;
  return () => `${prefix}${++count}` as QueueId;
}
