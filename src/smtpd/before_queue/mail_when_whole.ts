import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { ScratchFile } from "../../platform/file/scratch_file.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import type { Reply } from "../../smtp/reply.ts";
import { type ContentSink, type FilteredMail, FilterSink } from "./filtered_mail.ts";
import { type FilterPlace, FilterSession, NO_FILTER } from "./filter_session.ts";
import { tooLarge } from "./mail_at_once.ts";
import type { Told } from "./xforward_lines.ts";

/** A message that its filter gets when it is here whole, so that a slow client does not hold the filter up (speed_adjust). */
export class MailWhenWhole implements FilteredMail {
  readonly #place: FilterPlace;
  readonly #sizeLimit: number;
  readonly #mail: string;
  readonly #told: Told;
  readonly #openScratch: () => ScratchFile;
  readonly #recipients: string[] = [];
  #scratch: ScratchFile | undefined;
  #session: FilterSession | undefined;
  #data = "DATA";
  #isOpen = false;
  #broken = false;

  constructor(
    place: FilterPlace,
    sizeLimit: number,
    openScratch: () => ScratchFile,
    mail: string,
    told: Told,
  ) {
    this.#place = place;
    this.#sizeLimit = sizeLimit;
    this.#openScratch = openScratch;
    this.#mail = mail;
    this.#told = told;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  open(): undefined {
    this.#isOpen = true;
  }

  recipient(line: string): undefined {
    this.#recipients.push(line);
  }

  data(line: string): undefined {
    this.#data = line;
  }

  begin(head: Buffer): ContentSink {
    return new FilterSink({
      sizeLimit: this.#sizeLimit,
      take: (bytes) => this.#keep(bytes),
      tooLarge: () => tooLarge(this.#place.warn),
      end: () => this.#pass(),
      close: () => this.close(),
    }, head);
  }

  close(): void {
    this.#scratch?.close();
    this.#scratch = undefined;
    this.#session?.close();
    this.#session = undefined;
  }

  #keep(bytes: Buffer): MaybeAsync<void> {
    if (this.#broken) return;
    return this.#trying(() => (this.#scratch ??= this.#openScratch()).write(bytes));
  }

  /** A disk that cannot keep the content is no reason to end the session: the client hears of it at the end. */
  async #trying(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#broken = true;
      this.#place.warn(`NOQUEUE: save content for proxy ${this.#place.name}: ${systemErrorText(error)}`);
    }
  }

  /** The whole dialogue; the first refusal is the client's answer. */
  async #pass(): Promise<Reply> {
    if (this.#broken) return NO_FILTER;
    const session = new FilterSession(this.#place);
    this.#session = session;
    const refusal = await session.open(this.#mail, this.#told) ?? await this.#announce(session);
    if (refusal !== undefined) return refusal;
    await this.#trying(async () => {
      for await (const piece of this.#scratch?.pieces() ?? []) await session.content(piece);
    });
    return this.#broken ? NO_FILTER : await session.endOfContent();
  }

  async #announce(session: FilterSession): Promise<Reply | undefined> {
    for (const line of this.#recipients) {
      const refusal = await session.command(line, "2");
      if (refusal !== undefined) return refusal;
    }
    return await session.command(this.#data, "3");
  }
}
