import type { MaybeAsync } from "../base/maybe_async.ts";
import { pauseWhenDue } from "../base/pause_when_due.ts";
import type { Packet } from "./packet_reader.ts";
import { RESPONSES } from "./protocol.ts";
import type { Response } from "./response.ts";
import { OVER, type Verdict } from "./verdict.ts";

/** A change that a filter asks for. */
export type Edit = Extract<
  Response,
  {
    readonly is:
      | "addHeader"
      | "insertHeader"
      | "changeHeader"
      | "changeSender"
      | "addRecipient"
      | "addRecipientWith"
      | "deleteRecipient";
  }
>;

/** Who changes the message. */
export interface MessageChanges {
  /** `space` stands between the colon and the value of a header field. */
  apply(edit: Edit, space: string): MaybeAsync<void>;
  /** The body is what comes, in place of all that was; its lines end as the filter ends them. */
  replaceBody(pieces: AsyncIterable<Uint8Array>): Promise<void>;
  /** The message is refused, or thrown away: what else is asked for does not matter. */
  readonly isOver: boolean;
}

/** Most changes of one filter to one message, and most characters in them; bodies apart. */
const MOST_EDITS = 10_000;
const MOST_TEXT = 1_048_576;

/** The changes that a filter asks for at the end of a message, one after the other. */
export class EditRun {
  /** What was asked that cannot be. */
  flaw: string | undefined;
  readonly #changes: MessageChanges;
  readonly #space: string;
  #hasBody = false;
  #count = 0;
  #text = 0;

  constructor(changes: MessageChanges, space: string) {
    this.#changes = changes;
    this.#space = space;
  }

  /** What the filter's last word comes to, the changes made. One that could not be made outdoes it. */
  outcome(said: Verdict | undefined): Verdict | undefined {
    const isFinal = said !== undefined && said.is !== "hold" &&
      (said.is !== "refuse" || said.reply.code < 500);
    return this.#changes.isOver && !isFinal ? OVER : said;
  }

  /** Makes a change, or leaves it out once they are stopped; answers the next packet. */
  async carryOut(
    response: Response,
    more: boolean,
    read: () => Promise<Packet | undefined>,
  ): Promise<Packet | undefined> {
    if (response.is === "replaceBody") return await this.#replaceBody(response.bytes, more, read);
    this.#count++;
    this.#text += "name" in response ? response.name.length + response.value.length : 100;
    this.flaw = this.#flawOf(response);
    if (this.flaw !== undefined) return undefined;
    await pauseWhenDue();
    if (!this.#changes.isOver) await this.#changes.apply(response as Edit, this.#space);
    return await read();
  }

  #flawOf(response: Response): string | undefined {
    if (this.#count > MOST_EDITS || this.#text > MOST_TEXT) return "too many changes to one message";
    return response.is === "changeHeader" && response.name === "" ? "null change header name" : undefined;
  }

  /** Takes the packets of a body as one. */
  async #replaceBody(
    first: Uint8Array,
    more: boolean,
    read: () => Promise<Packet | undefined>,
  ): Promise<Packet | undefined> {
    if (this.#hasBody) {
      this.flaw = "body replacement requests can't currently be mixed with other requests";
      return undefined;
    }
    this.#hasBody = true;
    let next: Packet | undefined;
    async function* pieces() {
      yield first;
      for (let goesOn = more; (next = await read()) !== undefined; goesOn = next.more) {
        if (!goesOn && next.letter !== RESPONSES.replaceBody) return;
        yield next.data;
      }
    }
    const made = pieces();
    // Who leaves off does not end it: what is not wanted is read all the same, the answer comes behind it.
    const body = { [Symbol.asyncIterator]: () => ({ next: () => made.next() }) };
    if (!this.#changes.isOver) await this.#changes.replaceBody(body);
    for await (const _ of made);
    return next;
  }
}
