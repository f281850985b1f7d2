import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import { BodyChunk } from "./body_chunk.ts";
import type { MessageChanges } from "./edit_run.ts";
import type { Filter, Macros } from "./filter.ts";
import { EVENTS } from "./protocol.ts";
import type { Verdict } from "./verdict.ts";

/** The macros that go with content. */
export interface ContentMacros {
  readonly endOfHeader: Macros;
  readonly endOfMessage: Macros;
}

/** The blank line behind the header is no body to a filter (sendmail's way). */
const SEPARATOR = 2;

/** A message's content on its way through one filter, as it comes: header, body, end. After a verdict the rest is not told. */
export class ContentPass {
  readonly #filter: Filter;
  readonly #macros: ContentMacros;
  #filling = new BodyChunk();
  #sent = new BodyChunk();
  #separator = SEPARATOR;
  #verdict: Verdict | undefined;
  /** The answer to the piece before: the next one waits for it, its bytes do not. */
  #answer: Promise<void> | undefined;

  constructor(filter: Filter, macros: ContentMacros) {
    this.#filter = filter;
    this.#macros = macros;
    filter.enterMessage();
  }

  get #isOver(): boolean {
    return this.#verdict !== undefined || !this.#filter.inMessage;
  }

  /** Tells of the header: whole fields in wire form, one character a byte. */
  header(fields: readonly string[]): MaybeAsync<void> {
    const told = this.#filter.has(EVENTS.noHeaders) ? undefined : this.#fields(fields, 0);
    return then(told, () => this.#headerEnd());
  }

  #fields(fields: readonly string[], from: number): MaybeAsync<void> {
    for (let at = from; at < fields.length && !this.#isOver; at++) {
      const told = this.#tell(fieldOf(fields[at]!, this.#filter.has(EVENTS.leadingSpace)));
      if (isPromise(told)) return told.then(() => this.#fields(fields, at + 1));
    }
  }

  #tell(field: { readonly name: string; readonly value: string }): MaybeAsync<void> {
    const said = this.#filter.tellContent({
      command: { is: "header", ...field },
      unwanted: EVENTS.noHeaders,
      unanswered: EVENTS.noHeaderReply,
    }, this.#macros.endOfHeader);
    return then(said, (verdict) => void (this.#verdict = verdict));
  }

  #headerEnd(): MaybeAsync<void> {
    if (this.#isOver || this.#filter.has(EVENTS.noHeaderEnd)) return;
    const said = this.#filter.tellContent({
      command: { is: "headerEnd" },
      unwanted: EVENTS.noHeaderEnd,
      unanswered: EVENTS.noHeaderEndReply,
    }, this.#macros.endOfHeader);
    return then(said, (verdict) => void (this.#verdict = verdict));
  }

  /** Tells of more of the body, the separator included. */
  body(bytes: Uint8Array): MaybeAsync<void> {
    const skipped = Math.min(this.#separator, bytes.length);
    this.#separator -= skipped;
    if (!this.#filter.has(EVENTS.noBody)) return this.#gather(bytes, skipped);
  }

  #gather(bytes: Uint8Array, from: number): MaybeAsync<void> {
    for (let at = from; at < bytes.length && !this.#isOver;) {
      at += this.#filling.add(bytes, at);
      const sent = this.#filling.isFull ? this.#sendChunk() : undefined;
      if (isPromise(sent)) return sent.then(() => this.#gather(bytes, at));
    }
  }

  /** Sends a piece once the one before is answered: its room takes the next one meanwhile. */
  #sendChunk(): MaybeAsync<void> {
    return then(this.#answer, () => {
      const isAnswered = !this.#filter.has(EVENTS.noBodyReply);
      const packet = this.#filling.take(isAnswered);
      [this.#filling, this.#sent] = [this.#sent, this.#filling];
      if (this.#isOver) return;
      const said = this.#filter.tellContent({
        command: { is: "body", packet },
        unwanted: EVENTS.noBody,
        unanswered: EVENTS.noBodyReply,
      }, this.#macros.endOfMessage);
      if (isPromise(said)) this.#answer = said.then((verdict) => void (this.#verdict = verdict));
      else this.#verdict = said;
    });
  }

  /** The content is complete: what the filter says of it, the changes made that it asks for. */
  async end(changes: MessageChanges): Promise<Verdict | undefined> {
    if (this.#filling.length > 0) await this.#sendChunk();
    await this.#answer;
    if (!this.#isOver) {
      this.#verdict = await this.#filter.tellContent(
        { command: { is: "bodyEnd" }, unwanted: 0, unanswered: 0 },
        this.#macros.endOfMessage,
        changes,
      );
    }
    const verdict = this.#verdict;
    this.#filter.leaveMessage();
    return verdict;
  }
}

/** A field as filters see it: lines end in LF, the first blank behind the colon is left out unless they want it. */
function fieldOf(text: string, withSpace: boolean): { readonly name: string; readonly value: string } {
  const colon = text.indexOf(":");
  const from = colon + (!withSpace && text[colon + 1] === " " ? 2 : 1);
  return {
    name: text.slice(0, colon).trimEnd(),
    value: text.slice(from).replace(/\r\n$/, "").replaceAll("\r\n", "\n").replaceAll("\0", ""),
  };
}
