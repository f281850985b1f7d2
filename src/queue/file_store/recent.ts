import type { Envelope } from "../envelope.ts";
import type { KeptBody } from "./kept_body.ts";

/** A message as it came in. */
export interface RecentMessage {
  readonly envelope: Envelope;
  /** The content, or its head when the body is in a spool file. */
  readonly bytes: Uint8Array;
  /** Of the body in a spool file; undefined when there is none. */
  readonly checksum: number | undefined;
  /** The body in a spool file, as far as there was room to keep it; its memory has a limit of its own. */
  readonly body: KeptBody | undefined;
}

/** Memory that an envelope takes, roughly. */
function weight({ envelope, bytes }: RecentMessage): number {
  return 1024 + 256 * envelope.recipients.length + bytes.length;
}

/** New messages stay in memory for their first delivery, the oldest leaving when the limit is reached. Keyed by slot. */
export class RecentMessages {
  readonly #limit: number;
  readonly #messages = new Map<number, RecentMessage>();
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  put(slot: number, message: RecentMessage): void {
    this.#messages.set(slot, message);
    this.#bytes += weight(message);
    for (const oldest of this.#messages.keys()) {
      if (this.#bytes <= this.#limit) return;
      this.drop(oldest);
    }
  }

  get(slot: number): RecentMessage | undefined {
    return this.#messages.get(slot);
  }

  drop(slot: number): void {
    const message = this.#messages.get(slot);
    if (message === undefined) return;
    this.#messages.delete(slot);
    this.#bytes -= weight(message);
    message.body?.drop();
  }
}
