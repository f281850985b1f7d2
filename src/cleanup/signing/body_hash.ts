import { BodyHasher } from "../../mailauth/dkim/body_hasher.ts";
import type { MessageDraft } from "../message_draft.ts";

const BLANK_LINE = "\r\n";

/** The hash of a body of which the blank line behind the header is told too. */
export class BodyHash {
  readonly #hasher = new BodyHasher("relaxed");
  #start = "";

  push(bytes: Uint8Array): void {
    const missing = BLANK_LINE.length - this.#start.length;
    if (missing > 0) this.#start += Buffer.from(bytes.subarray(0, missing)).toString("latin1");
    if (bytes.length > missing) this.#hasher.push(missing > 0 ? bytes.subarray(missing) : bytes);
  }

  /** Undefined where the blank line was none. A message may be all header. */
  digest(): Buffer | undefined {
    return this.#start === BLANK_LINE || this.#start === "" ? this.#hasher.digest() : undefined;
  }
}

/** Of the body as it is in the queue now: what followed it on its way knows, unless a filter has put in another one. */
export async function bodyHashOf(
  message: Pick<MessageDraft, "isBodyReplaced" | "readBody">,
  followed: BodyHash | undefined,
): Promise<Buffer | undefined> {
  if (followed !== undefined && !message.isBodyReplaced) return followed.digest();
  const hash = new BodyHash();
  for await (const piece of message.readBody()) hash.push(piece);
  return hash.digest();
}
