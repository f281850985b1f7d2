import type { MaybeAsync } from "../../base/maybe_async.ts";
import { classed, refuse, type Reply } from "../../smtp/reply.ts";
import { type ContentSink, type FilteredMail, FilterSink } from "./filtered_mail.ts";
import { type FilterPlace, FilterSession, NO_FILTER } from "./filter_session.ts";
import type { Told } from "./xforward_lines.ts";

const TOO_LARGE = classed(refuse(552, "5.3.4", "Error: message file too big"), "bounce");

/** Refuses content over message_size_limit, in Postfix's words. */
export function tooLarge(warn: (text: string) => void): Reply {
  warn("NOQUEUE: queue file size limit exceeded");
  return TOO_LARGE;
}

/** A message that goes to its filter as it comes from the client. */
export class MailAtOnce implements FilteredMail {
  readonly #place: FilterPlace;
  readonly #sizeLimit: number;
  readonly #mail: string;
  readonly #told: Told;
  #session: FilterSession | undefined;

  constructor(place: FilterPlace, sizeLimit: number, mail: string, told: Told) {
    this.#place = place;
    this.#sizeLimit = sizeLimit;
    this.#mail = mail;
    this.#told = told;
  }

  get isOpen(): boolean {
    return this.#session !== undefined;
  }

  /** A filter that refuses MAIL is asked again at the next recipient. */
  async open(): Promise<Reply | undefined> {
    const session = new FilterSession(this.#place);
    this.#session = session;
    const refusal = await session.open(this.#mail, this.#told);
    if (refusal === undefined) return undefined;
    session.close();
    this.#session = undefined;
    return refusal;
  }

  recipient(line: string): MaybeAsync<Reply | undefined> {
    return this.#session?.command(line, "2") ?? NO_FILTER;
  }

  data(line: string): MaybeAsync<Reply | undefined> {
    return this.#session?.command(line, "3") ?? NO_FILTER;
  }

  begin(head: Buffer): ContentSink {
    const session = this.#session;
    return new FilterSink({
      sizeLimit: this.#sizeLimit,
      take: (bytes) => session?.content(bytes),
      tooLarge: () => tooLarge(this.#place.warn),
      end: async () => await session?.endOfContent() ?? NO_FILTER,
      close: () => this.close(),
    }, head);
  }

  close(): void {
    this.#session?.close();
    this.#session = undefined;
  }
}
