import type { MessagePiece, QueueRow } from "./queue_rows.ts";
import type { QueueListing, QueueName, StoredMessage } from "../../queue/store.ts";

/** Recipients, characters of them, and bytes of content in one row. */
const MOST_RECIPIENTS = 200;
const ENOUGH = 64 * 1024;
const PIECE = 48 * 1024;

/** Cuts a list up, so that no part is much longer than a row should be. */
function* parts<Each>(all: readonly Each[]): Generator<readonly Each[]> {
  let part: Each[] = [];
  let size = 0;
  for (const each of all) {
    part.push(each);
    size += JSON.stringify(each).length;
    if (part.length < MOST_RECIPIENTS && size < ENOUGH) continue;
    yield part;
    part = [];
    size = 0;
  }
  if (part.length > 0 || all.length === 0) yield part;
}

/** A message of the listing as rows of bounded size. */
export function* queueRows(listing: QueueListing): Generator<QueueRow> {
  let continued = false;
  for (const recipients of parts(listing.recipients)) {
    yield { ...listing, recipients, ...(continued && { continued }) };
    continued = true;
  }
}

/** A message of the queue as pieces of bounded size. */
export async function* messagePieces(
  { envelope, states, content }: StoredMessage,
  queue: QueueName,
): AsyncGenerator<MessagePiece> {
  const { recipients, expanded: _reported, ...head } = envelope;
  yield { is: "envelope", envelope: head, queue, size: content.size, recipients: recipients.length };
  const withStates = recipients.map((recipient, at) => ({
    recipient,
    state: states[at] ?? { is: "pending" as const },
  }));
  for (const part of parts(withStates)) yield { is: "recipients", recipients: part };
  for await (const chunk of content.chunks()) {
    for (let at = 0; at < chunk.length; at += PIECE) {
      yield { is: "content", base64: Buffer.from(chunk.subarray(at, at + PIECE)).toString("base64") };
    }
  }
}
