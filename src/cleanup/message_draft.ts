import type { Address } from "../address/address.ts";
import { isAscii } from "node:buffer";
import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import type { Envelope, QueueId, Recipient } from "../queue/envelope.ts";
import { type Draft, QueueFault } from "../queue/store.ts";
import { classed, defer, refuse, type Reply } from "../smtp/reply.ts";
import type { Submission } from "./cleanup.ts";
import { Head } from "./head.ts";
import { LineMeter } from "./line_meter.ts";
import type { BodyFollower, MessageEdits } from "./stage.ts";

const NO_SPACE = classed(defer(452, "4.3.1", "Insufficient system storage"), "resource");
/** It is over message_size_limit. */
export const TOO_BIG = classed(refuse(552, "5.3.4", "Error: message file too big"), "bounce");
const WRITE_ERROR = classed(defer(451, "4.3.0", "Error: queue file write error"), "resource");

/** Bodies come in stretches; ones as short as a line are put together. */
const SHORT = 1024;
/** What is put together goes to the store when it has come to so much. */
const MOST_WAITING = 65_536;

/** What the sender is told when the store fails: 452 for lack of space, 451 for anything else. */
export function replyToFault(error: unknown): Reply {
  return error instanceof QueueFault && error.full ? NO_SPACE : WRITE_ERROR;
}

/** A message that can still change: its header and envelope in memory, its body on the way to the store. */
export class MessageDraft implements MessageEdits {
  readonly id: QueueId;
  sender: Address;
  recipients: readonly Recipient[];
  /** Why it is not taken. */
  refusal: Reply | undefined;
  isHeld = false;
  isDiscarded = false;
  /** The last of its recipients was taken out. */
  isEmptied = false;
  /** What still comes of the body is to be in 7 bits: its text is quoted-printable. */
  isConverted = false;
  /** The header was endless: the rest of it lies with the body. */
  isHeaderCut = false;
  /** A filter has put another body in the place of the one that came: who followed that has not seen it. */
  isBodyReplaced = false;
  redirect: string | undefined;
  filter: string | undefined;
  /** The sender demands TLS all the way (RFC 8689 §4). */
  requireTls: boolean;
  /** The sender would rather have it go without TLS than not at all (RFC 8689 §5). */
  tlsNotRequired: boolean;
  readonly copies: string[] = [];
  ret: Envelope["ret"];
  envid: Envelope["envid"];
  /** The header says that the body has 8-bit bytes, or may say so of a part (detect_8bit_encoding_header). */
  saysEightBit: "yes" | "in parts" | undefined;
  /** The Message-ID that it has, or was given. */
  messageId: string | undefined;
  readonly #head: Head;
  readonly #draft: Draft;
  #lines = new LineMeter();
  #eightBitBody = false;
  #followers: readonly BodyFollower[] = [];
  /** What goes to the store next, one character a byte. */
  #text = "";

  constructor(
    { id, sender, recipients, ret, envid, requireTls = false, tlsNotRequired = false }: Submission,
    draft: Draft,
    /** Header lines that are longer are folded; 0: none are. */
    lineLimit: number,
  ) {
    this.id = id;
    this.sender = sender;
    this.recipients = recipients;
    this.ret = ret;
    this.envid = envid;
    this.requireTls = requireTls;
    this.tlsNotRequired = tlsNotRequired;
    this.#draft = draft;
    this.#head = new Head(lineLimit);
  }

  /** Refused or thrown away: what still comes does not matter. */
  get isOver(): boolean {
    return this.refusal !== undefined || this.isDiscarded;
  }

  /** A field of the header, behind all others. Of an endless header the rest goes with the body. */
  addField(text: string): void {
    if (this.#head.take(text)) return;
    this.isHeaderCut = true;
    this.#text += text;
  }

  /** More of the body, one character a byte. */
  addText(text: string): void {
    this.#text += text;
  }

  /** More of the body. */
  addBytes(bytes: Buffer): MaybeAsync<void> {
    if (bytes.length < SHORT) return void (this.#text += bytes.toString("latin1"));
    return then(this.flush(), () => this.#store(bytes));
  }

  /** Sends what waits to the store when it has become much. */
  flushMuch(): MaybeAsync<void> {
    if (this.#text.length > MOST_WAITING) return this.flush();
  }

  flush(): MaybeAsync<void> {
    if (this.#text === "" || this.isOver) return;
    const bytes = Buffer.from(this.#text, "latin1");
    this.#text = "";
    return this.#store(bytes);
  }

  #store(bytes: Buffer): MaybeAsync<void> {
    // In this order: the one goes through all bytes at memory's speed, the other finds them in the cache then.
    if (!this.#eightBitBody && !isAscii(bytes)) this.#eightBitBody = true;
    this.#lines.push(bytes);
    const written = this.#orRefuse(() => this.#draft.write(bytes));
    return this.#followers.length === 0 ? written : then(written, () => this.#tell(bytes, 0));
  }

  /** One after the other hears of a piece, from the `at`th on. */
  #tell(bytes: Buffer, at: number): MaybeAsync<void> {
    const follower = this.#followers[at];
    if (follower === undefined || this.isOver) return;
    return then(follower(bytes), () => this.#tell(bytes, at + 1));
  }

  /** Does something with the store; where that fails the message is refused. */
  #orRefuse(work: () => MaybeAsync<void>): MaybeAsync<void> {
    try {
      const done = work();
      return isPromise(done) ? done.catch((error) => this.refuse(replyToFault(error))) : done;
    } catch (error) {
      this.refuse(replyToFault(error));
    }
  }

  get fields(): readonly string[] {
    return this.#head.fields;
  }

  insertField(at: number, field: string): void {
    this.#head.insert(at, field);
  }

  appendField(field: string): void {
    this.#head.append(field);
  }

  changeField(name: string, nth: number, field: string, without = 0): boolean {
    return this.#head.change(name, nth, field, without);
  }

  deleteField(name: string, nth: number, without = 0): boolean {
    return this.#head.delete(name, nth, without);
  }

  follow(follower: BodyFollower): boolean {
    if (this.#draft.size > 0 || this.#text !== "") return false;
    this.#followers = [...this.#followers, follower];
    return true;
  }

  async *readBody(): AsyncIterable<Uint8Array> {
    await this.flush();
    if (!this.isOver) yield* this.#draft.read();
  }

  async replaceBody(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    this.#followers = [];
    this.isBodyReplaced = true;
    this.#text = "";
    this.#lines = new LineMeter();
    this.#eightBitBody = false;
    await this.#orRefuse(() => this.#draft.restart());
    for await (const piece of pieces) {
      if (this.isOver) return;
      await this.#store(Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength));
    }
  }

  changeSender(address: Address): void {
    this.sender = address;
  }

  changeReport({ ret = this.ret, envid = this.envid }: Pick<Envelope, "ret" | "envid">): void {
    this.ret = ret;
    this.envid = envid;
  }

  addRecipient(recipient: Recipient): void {
    this.recipients = [...this.recipients, recipient];
  }

  deleteRecipient(address: Address): boolean {
    const before = this.recipients.length;
    this.recipients = this.recipients.filter((recipient) => recipient.address !== address);
    this.isEmptied = before > 0 && this.recipients.length === 0;
    return this.recipients.length < before;
  }

  copyTo(address: string): void {
    this.copies.push(address);
  }

  redirectTo(address: string): void {
    this.redirect = address;
  }

  filterThrough(filter: string): void {
    this.filter = filter;
  }

  hold(): void {
    this.isHeld = true;
  }

  discard(): void {
    this.isDiscarded = true;
  }

  refuse(reply: Reply): void {
    this.refusal ??= reply;
    this.abort();
  }

  abort(): void {
    this.#text = "";
    this.#draft.abort();
  }

  /** The header as it is now. */
  get head(): Buffer {
    return this.#head.bytes;
  }

  /** Bytes of body that have gone to the store. */
  get bodySize(): number {
    return this.#draft.size;
  }

  /** Bytes of its longest line, or 998 where none is longer. */
  get longestBodyLine(): number {
    return this.#lines.longest;
  }

  /** Bytes of head and body, whose last ones have come. */
  get size(): number {
    return this.#head.size + this.#draft.size;
  }

  /** Durable once it resolves. Rejects when it is not stored. */
  commit(envelope: Envelope): Promise<void> {
    const head = this.#head.bytes;
    this.#lines.push(head);
    const eightBit = this.#eightBitBody || !isAscii(head) || undefined;
    const says = this.saysEightBit === "yes" || (this.saysEightBit === "in parts" && this.#eightBitBody);
    const body = says ? "8BITMIME" : envelope.body;
    return this.#draft.commit({ ...envelope, body, eightBit, longestLine: this.#lines.longest }, head);
  }
}
