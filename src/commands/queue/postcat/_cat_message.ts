import { errorCode, systemErrorText } from "../../../platform/system_error.ts";
import { askService } from "../../../master/control/control_client.ts";
import type { MessagePiece } from "../../../master/control/queue_rows.ts";
import { messagePieces } from "../../../master/control/queue_rows_of.ts";
import type { QueueId } from "../../../queue/envelope.ts";
import { openForReading } from "../../../queue/file_store/open_store.ts";
import { parseQueueId } from "../../../queue/queue_id.ts";
import { MessageRecords } from "./_message_records.ts";
import { PostcatFault, type PostcatWork } from "./_postcat_fault.ts";
import { PostcatText } from "./_postcat_text.ts";

/** Shows a message of the queue: asks the service, or reads the files while it is down. */
export async function catMessage(work: PostcatWork, word: string): Promise<void> {
  // What no queue of Postfix's could have is another mistake than what ours does not have.
  if (!/^\w{1,100}$/.test(word)) throw new PostcatFault(`bad mail queue ID: ${word}`);
  if (parseQueueId(word) === undefined) throw notThere(word);
  const id = word as QueueId;
  const shown = new ShownMessage(work);
  const { queue_directory: queueDirectory } = work.configuration.settings;
  const enough = new AbortController();
  work.out.signal.addEventListener("abort", () => enough.abort());
  const answer = await askService({
    queueDirectory,
    verb: "cat",
    args: { id },
    signal: enough.signal,
    row: (piece) => {
      shown.piece(piece);
      if (!shown.wanted) enough.abort();
    },
  });
  if (answer.is === "fault" && !enough.signal.aborted) {
    const why = answer.kind === "forbidden" ? "Permission denied" : answer.why;
    throw new PostcatFault(`open queue file ${id}: ${why}`);
  }
  if (answer.is === "down") await readMessage(queueDirectory, id, shown);
  else if (answer.is === "done" && answer.value === 0) throw notThere(id);
  shown.end();
}

function notThere(id: string): PostcatFault {
  return new PostcatFault(`open queue file ${id}: No such file or directory`);
}

async function readMessage(queueDirectory: string, id: QueueId, shown: ShownMessage): Promise<void> {
  try {
    const queue = await openForReading(queueDirectory);
    try {
      const row = await queue.find(id);
      if (row === undefined) throw notThere(id);
      for await (const piece of messagePieces(await queue.open(id), row.queue)) {
        shown.piece(piece);
        if (!shown.wanted) return;
      }
    } finally {
      queue.close();
    }
  } catch (error) {
    if (error instanceof PostcatFault) throw error;
    const why = errorCode(error) === "EACCES" ? "Permission denied" : systemErrorText(error);
    throw new PostcatFault(`open queue file ${id}: ${why}`);
  }
}

/** The text of a message, made of the pieces in which it comes. */
class ShownMessage {
  readonly #work: PostcatWork;
  #records: MessageRecords | undefined;
  #text: PostcatText | undefined;
  #inContent = false;

  constructor(work: PostcatWork) {
    this.#work = work;
  }

  /** Whether more of the message is to be shown. */
  get wanted(): boolean {
    if (this.#work.out.signal.aborted || this.#records?.wanted === false) return false;
    return !this.#inContent || this.#text?.wantsText === true;
  }

  piece(piece: MessagePiece): void {
    if (piece.is === "envelope") return this.#begin(piece);
    const records = this.#records;
    if (piece.is === "recipients") return piece.recipients.forEach((each) => records?.recipient(each));
    this.#content();
    if (this.wanted) records?.content(Buffer.from(piece.base64, "base64"));
  }

  #begin({ envelope, queue, size, recipients }: Extract<MessagePiece, { readonly is: "envelope" }>): void {
    const { view, out } = this.#work;
    const text = new PostcatText(view, `${queue}/${envelope.id}`, (...parts) => out.write(...parts));
    this.#text = text;
    this.#records = new MessageRecords((record) => text.record(record));
    text.begin();
    this.#records.envelope({ envelope, size, recipients });
  }

  #content(): void {
    if (!this.#inContent) this.#records?.beginContent();
    this.#inContent = true;
  }

  /** All has come, or all that was wanted. */
  end(): void {
    this.#content();
    this.#records?.end();
  }
}
