import { isAscii as isAsciiBytes } from "node:buffer";
import type { Address } from "../address/address.ts";
import { isVerpDelimiters } from "../address/verp.ts";
import { assertNever } from "../base/assert_never.ts";
import { pauseWhenDue } from "../base/pause_when_due.ts";
import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import {
  convertibly,
  ConvertingWalker,
  SevenBitConverter,
  type Walker,
} from "../message/converting_walker.ts";
import { type MimeEvent, MimeWalker, type WalkLimits } from "../message/mime_walker.ts";
import type { Envelope, Recipient } from "../queue/envelope.ts";
import { classed, defer, type Reply } from "../smtp/reply.ts";
import type { Committed, IncomingMessage, LateChanges, Submission } from "./cleanup.ts";
import type { CleanupContext } from "./cleanup_deps.ts";
import { toBytesText } from "./latin1.ts";
import { MessageDraft, replyToFault, TOO_BIG } from "./message_draft.ts";
import { type Addressed, settleRecipients } from "./recipients.ts";
import { type Changed, type HeaderField, type Stage, UNCHANGED } from "./stage.ts";
import { stagesFor } from "./stages.ts";

const WRITE_ERROR = classed(defer(451, "4.3.0", "Error: queue file write error"), "resource");

/** Fields and stretches between two looks at the time. */
const STRETCH = 64;

type Stretch = Extract<MimeEvent, { readonly is: "body" }>;

const NAME = /^([!-9;-~]+)[ \t]*:/;

/**
 * One message on its way in: its content is taken apart, goes through the stages and then into the draft, the header to stay there,
 * the body on to the store. After a refusal the rest is thrown away, and `commit` says why.
 */
export class Incoming implements IncomingMessage {
  readonly #context: CleanupContext;
  readonly #submission: Submission;
  readonly #message: MessageDraft;
  readonly #stages: readonly Stage[];
  /** Those that look at the body. */
  readonly #readers: readonly Stage[];
  /** Undefined once all that comes is body that nobody looks at. */
  #walker: Walker | undefined;
  /** For a body that may have to be in 7 bits though it is not known before the header is complete. */
  readonly #converter: SevenBitConverter | undefined;
  /** Content so far as it came, without what is added here. */
  #size = 0;
  #isStarted = false;
  #inBody = false;

  constructor(context: CleanupContext, submission: Submission) {
    this.#context = context;
    this.#submission = submission;
    const { headerLineLimit, convertsInput, walkLimits } = context.settings;
    this.#message = new MessageDraft(submission, context.store.draft(submission.id), headerLineLimit);
    this.#stages = stagesFor(context, submission, this.#message);
    this.#readers = this.#stages.filter(({ body, looksInto }) =>
      body !== undefined || looksInto !== undefined
    );
    const mayConvert = !convertsInput && this.#stages.some((stage) => stage.mayConvert);
    this.#converter = mayConvert ? new SevenBitConverter() : undefined;
    this.#walker = convertsInput
      ? new ConvertingWalker(walkLimits)
      : mayConvert
      ? new MimeWalker(convertibly(walkLimits))
      : this.#plainWalker(walkLimits);
  }

  #plainWalker(limits: WalkLimits): MimeWalker {
    return new MimeWalker({
      lineEnd: "\r\n",
      structure: this.#readers.some(({ looksInto }) => looksInto?.parts),
      wholeLines: this.#readers.some(({ looksInto }) => looksInto?.lines),
      limits,
    });
  }

  get size(): number {
    return this.#size;
  }

  write(bytes: Uint8Array): MaybeAsync<void> {
    this.#size += bytes.length;
    if (this.#isOver) return;
    if (this.#isTooBig) return this.#outgrown();
    const buffer = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (this.#walker !== undefined) return this.#walk(this.#walker, buffer);
    return then(this.#message.addBytes(buffer), () => this.#message.flush());
  }

  /** What still comes does not matter: but where a message goes back to its sender, its header does. */
  get #isOver(): boolean {
    const { isOver, isDiscarded, refusal } = this.#message;
    if (!isOver || isDiscarded || this.#inBody || !this.#submission.isReturned) return isOver;
    return refusal === undefined || refusal.code < 500;
  }

  /** What is converted grows. */
  get #isTooBig(): boolean {
    const { messageSizeLimit: limit, convertsInput } = this.#context.settings;
    const size = convertsInput || this.#message.isConverted
      ? Math.max(this.#size, this.#message.bodySize)
      : this.#size;
    return limit > 0 && size > limit;
  }

  /** The rest is not looked at: smtpd(8) says so once. */
  #outgrown(): void {
    const { id, origin } = this.#submission;
    const program = origin.clientAddress === undefined ? "cleanup" : "smtpd";
    this.#context.log.note(program, "warning", `${id}: queue file size limit exceeded`);
    this.#message.refuse(TOO_BIG);
  }

  #walk(walker: Walker, bytes: Buffer): MaybeAsync<void> {
    return then(this.#start(walker), () => this.#takeAll(walker.push(bytes), 0));
  }

  /** The header fields put on top go the way of all others. */
  #start(walker: Walker): MaybeAsync<void> {
    if (this.#isStarted) return;
    this.#isStarted = true;
    return this.#takeAll(walker.beginContent(toBytesText(this.#submission.prepend.join(""))), 0);
  }

  #takeAll(events: readonly MimeEvent[], from: number): MaybeAsync<void> {
    for (let i = from; i < events.length && !this.#isOver; i++) {
      const pause = i > from && i % STRETCH === 0 ? pauseWhenDue() : undefined;
      if (pause !== undefined) return pause.then(() => this.#takeAll(events, i));
      const taken = this.#message.isConverted ? this.#takeConverted(events[i]!) : this.#take(events[i]!);
      if (isPromise(taken)) return taken.then(() => this.#takeAll(events, i + 1));
    }
    return this.#inBody ? this.#message.flush() : this.#message.flushMuch();
  }

  /** What becomes of an event in 7 bits is one or more, or none. */
  #takeConverted(event: MimeEvent): MaybeAsync<void> {
    const made = this.#converter?.convert(event) ?? event;
    if ("is" in made) return this.#take(made);
    return made.reduce<MaybeAsync<void>>((taken, each) => then(taken, () => this.#take(each)), undefined);
  }

  #take(event: MimeEvent): MaybeAsync<void> {
    switch (event.is) {
      case "field":
        return this.#takeField(event, 0);
      case "headerEnd":
        for (const stage of this.#readers) stage.entity?.(event.entity);
        return event.place === "primary" ? this.#endHeader() : undefined;
      case "body":
        return this.#takeBody(event, event.bytes, 0);
      case "tooDeep":
        for (const stage of this.#readers) stage.tooDeep?.(event.text);
        return;
      default:
        return assertNever(event);
    }
  }

  /** A field goes through the stages from `from` on; what they put in front of it goes in as it is. */
  #takeField(field: HeaderField, from: number): MaybeAsync<void> {
    for (let i = from; i < this.#stages.length; i++) {
      if (!this.#isFor(this.#stages[i]!)) continue;
      const changed = this.#stages[i]!.field?.(field) ?? UNCHANGED;
      if (isPromise(changed)) return changed.then((late) => this.#changeField(field, late, i + 1));
      if (changed !== UNCHANGED) return this.#changeField(field, changed, i + 1);
    }
    this.#keep(field, field.text);
  }

  /** Of a message that was refused the header is only brought to its end. */
  #isFor({ completes }: Stage): boolean {
    return completes === true || !this.#message.isOver;
  }

  #changeField(field: HeaderField, { text, before }: Changed, next: number): MaybeAsync<void> {
    if (before !== undefined) this.#keep(field, before);
    if (text !== "") return this.#takeField(text === undefined ? field : renamed(field, text), next);
  }

  #keep({ place }: HeaderField, text: string): void {
    if (place === "primary") this.#message.addField(text);
    else this.#message.addText(text);
  }

  #takeBody(stretch: Stretch, bytes: Buffer, from: number): MaybeAsync<void> {
    const reader = this.#readers[from];
    if (reader === undefined) return this.#message.addBytes(bytes);
    return then(
      reader.body?.(bytes, stretch.begins, stretch.encoding),
      (made) => this.#takeBody(stretch, made === undefined ? bytes : Buffer.from(made, "latin1"), from + 1),
    );
  }

  #endHeader(): MaybeAsync<void> {
    this.#inBody = true;
    if (this.#readers.length === 0 && !this.#context.settings.convertsInput) this.#walker = undefined;
    return this.#each((stage) => stage.headerEnd?.(), 0);
  }

  /** Asks the stages from `from` on, one after the other, as long as the message is wanted. */
  #each(ask: (stage: Stage) => MaybeAsync<void>, from: number): MaybeAsync<void> {
    for (let i = from; i < this.#stages.length; i++) {
      if (!this.#isFor(this.#stages[i]!)) continue;
      const asked = ask(this.#stages[i]!);
      if (isPromise(asked)) return asked.then(() => this.#each(ask, i + 1));
    }
  }

  /** The content is complete: a header without a body is over now. */
  #finish(): MaybeAsync<void> {
    const walker = this.#walker;
    const taken = walker === undefined || this.#isOver
      ? undefined
      : then(this.#start(walker), () => then(this.#takeAll(walker.end(), 0), () => this.#takeRest()));
    return then(taken, () => {
      if (!this.#message.isOver && this.#isTooBig) this.#outgrown();
      return this.#each((stage) => stage.end?.(), 0);
    });
  }

  /** The end of a last line that was converted. */
  #takeRest(): MaybeAsync<void> {
    for (const event of this.#converter?.end() ?? []) {
      if (event.is === "body") return then(this.#take(event), () => this.#message.flush());
    }
  }

  async commit(late: LateChanges = {}): Promise<Committed> {
    const finished = this.#finish();
    if (isPromise(finished)) await finished;
    const message = this.#message;
    if (message.refusal !== undefined) return await this.#refused(message.refusal, late);
    if (this.#submission.discard || late.discard || message.isDiscarded) {
      message.abort();
      return { is: "queued", id: message.id, size: this.#size };
    }
    const settled = this.#settle(late);
    const addressed = isPromise(settled) ? await settled : settled;
    if (addressed.is === "refused") {
      message.abort();
      return addressed;
    }
    if (addressed.is === "nobody") {
      this.#context.log.note("cleanup", "info", `${message.id}: no recipients are left: message removed`);
      message.abort();
      return { is: "queued", id: message.id, size: this.#size };
    }
    try {
      await message.commit(this.#envelope(late, addressed));
      return { is: "queued", id: message.id, size: message.size };
    } catch (error) {
      return { is: "refused", reply: replyToFault(error) };
    }
  }

  async #refused(reply: Reply, late: LateChanges): Promise<Committed> {
    if (!this.#submission.isReturned || reply.code < 500) return { is: "refused", reply };
    const settled = await this.#settle(late);
    if (settled.is === "refused") return settled;
    if (settled.is === "nobody") return { is: "refused", reply };
    const { head } = this.#message;
    return { is: "refused", reply, refused: { envelope: this.#envelope(late, settled), head } };
  }

  /** What stages asked for comes before what restrictions did at the end of data, and that before what they did earlier. */
  #settle(late: LateChanges): MaybeAsync<Addressed> {
    const { id, sender, recipients, redirect, copies, isEmptied } = this.#message;
    const submission = this.#submission;
    return settleRecipients(this.#context, {
      id,
      sender,
      recipients,
      copies: [...submission.bcc ?? [], ...late.bcc ?? [], ...copies],
      redirect: redirect ?? late.redirect ?? submission.redirect,
      isEmptied,
      isOurs: submission.kind !== undefined,
    });
  }

  /** Whoever asks for the unfit goes without (cleanup(8)): senders that take it for a wish only. */
  #verp(sender: Address): string | undefined {
    const [{ log, settings }, { id, verp }] = [this.#context, this.#submission];
    if (verp === undefined) return undefined;
    if (sender !== "" && isVerpDelimiters(verp, settings.verpFilter)) return verp;
    const what = sender === "" ? "VERP request for null sender" : `bad VERP request: "${verp.slice(0, 100)}"`;
    log.note("cleanup", "warning", `${id}: ignoring ${what}`);
    return undefined;
  }

  #envelope(
    late: LateChanges,
    { sender, recipients, expanded }: Pick<Envelope, "sender" | "recipients" | "expanded">,
  ): Envelope {
    const { id, arrival, origin, body, smtputf8, contentFilter, hold, created, replaces, kind, trace } =
      this.#submission;
    const { filter, isHeld, messageId, requireTls, tlsNotRequired, ret, envid } = this.#message;
    return {
      id,
      arrival,
      sender,
      recipients,
      expanded,
      origin,
      ret,
      envid,
      body,
      smtputf8: smtputf8 || this.#needsUtf8(sender, recipients) || undefined,
      requireTls: requireTls || undefined,
      tlsNotRequired: tlsNotRequired || undefined,
      contentFilter: filter ?? late.contentFilter ?? contentFilter,
      hold: hold || late.hold || isHeld || undefined,
      overLimit: (late.overLimit && !isHeld) || undefined,
      created,
      replaces,
      completeHeaders: this.#submission.completeHeaders || undefined,
      kind,
      verp: this.#verp(sender),
      trace,
      messageId,
    };
  }

  /** smtputf8_autodetect_classes: an address or a header field is not ASCII. */
  #needsUtf8(sender: string, recipients: readonly Recipient[]): boolean {
    const { detectsUtf8 } = this.#context.settings;
    if (!detectsUtf8.has("all") && !detectsUtf8.has(sourceOf(this.#submission))) return false;
    return !isAscii(sender) || recipients.some(({ address }) => !isAscii(address)) ||
      !isAsciiBytes(this.#message.head);
  }

  abort(): void {
    this.#message.refuse(WRITE_ERROR);
    this.#walker = undefined;
  }
}

const isAscii = (address: string) => /^[\x00-\x7f]*$/.test(address);

/** Where a message comes from, in the words of smtputf8_autodetect_classes. */
function sourceOf({ kind, origin }: Submission): string {
  switch (kind) {
    case undefined:
      return origin.clientAddress === undefined ? "sendmail" : "smtpd";
    case "mail":
      return "forward";
    case "probe":
      return "verify";
    default:
      return kind;
  }
}

/** A field that a stage has changed may have another name. */
function renamed(field: HeaderField, text: string): HeaderField {
  return { ...field, name: NAME.exec(text)?.[1]?.toLowerCase() ?? field.name, text };
}
