import type { Address } from "../address/address.ts";
import type { MaybeAsync } from "../base/maybe_async.ts";
import type { Encoding } from "../message/content_type.ts";
import type { Entity, HeaderPlace } from "../message/mime_walker.ts";
import type { QueueId, Recipient } from "../queue/envelope.ts";
import type { Reply } from "../smtp/reply.ts";

/** A header field as it comes by: whole lines in wire form, one character a byte; `name` in lower case. */
export interface HeaderField {
  readonly place: HeaderPlace;
  readonly name: string;
  readonly text: string;
}

/** What becomes of a field or line. Texts are whole lines in wire form, one character a byte. */
export interface Changed {
  /** New text, "" to leave it out; undefined: as it was. */
  readonly text?: string;
  /** Lines to put in front; later stages do not see them. */
  readonly before?: string;
}

/** It stays as it is. */
export const UNCHANGED: Changed = {};

/** Hears the body of a message. The bytes are lent until it is done. */
export type BodyFollower = (bytes: Uint8Array) => MaybeAsync<void>;

/** What may be done to a message from its beginning until it is committed. Its header and its envelope wait until then. */
export interface MessageEdits {
  readonly id: QueueId;
  /** Internal form, not rewritten yet; "" is the null sender. */
  readonly sender: Address;
  readonly recipients: readonly Recipient[];
  /** The header as it is now, from the top: whole lines in wire form, one character a byte. */
  readonly fields: readonly string[];
  /** Puts a field (`Name: value`) before the one that is `at`th from the top, 0 for the top; behind the last one where there are not so many. */
  insertField(at: number, field: string): void;
  appendField(field: string): void;
  /** Changes the `nth` field of that name, counting from 1 behind the first `without` of all; false where there is none. */
  changeField(name: string, nth: number, field: string, without?: number): boolean;
  deleteField(name: string, nth: number, without?: number): boolean;
  /**
   * Has each piece of body told as it goes to the store, the blank line behind the header included; false when some has gone
   * already. Who follows hears of what came, in the order in which they began, and of nothing that replaces it.
   */
  follow(follower: BodyFollower): boolean;
  /**
   * The body as it is now, once all of it has come: what filters before made of it. A piece counts until the next one is asked for.
   * May be read again and again.
   */
  readBody(): AsyncIterable<Uint8Array>;
  /** Other content has been put in the place of the body that came. */
  readonly isBodyReplaced: boolean;
  /** Puts other content, in wire form, in the place of all body that has come. */
  replaceBody(pieces: AsyncIterable<Uint8Array>): Promise<void>;
  changeSender(address: Address): void;
  /** What the sender wants to hear (RFC 3461 §4.3, §4.4). */
  changeReport(report: { readonly ret?: "FULL" | "HDRS"; readonly envid?: string }): void;
  addRecipient(recipient: Recipient): void;
  /** Takes out each recipient of that address; false where there is none. */
  deleteRecipient(address: Address): boolean;
  /** A copy for somebody whom no notice mentions (access(5), BCC). */
  copyTo(address: string): void;
  redirectTo(address: string): void;
  /** `transport:nexthop`, as content_filter. */
  filterThrough(filter: string): void;
  hold(): void;
  /** Accepts the message and throws it away. */
  discard(): void;
  /** What more comes of the message does not matter. */
  refuse(reply: Reply): void;
  /** Refused or thrown away: what still comes does not matter. */
  readonly isOver: boolean;
}

/** A step of cleanup for one message. Each sees of it what those before it made. */
export interface Stage {
  /** It completes the header, also that of a message that is refused and goes back to its sender. */
  readonly completes?: boolean;
  /** It may ask at the end of the header for a body in 7 bits (`MessageDraft.isConverted`). */
  readonly mayConvert?: boolean;
  /** What it looks into beside the message's own header; a stage without sees the body as any stretches of bytes. */
  readonly looksInto?: {
    /** Parts and attached messages: their fields come to `field`. */
    readonly parts: boolean;
    /** Stretches of body are whole lines, or pieces of line_length_limit. */
    readonly lines: boolean;
  };
  field?(field: HeaderField): MaybeAsync<Changed>;
  /** A multipart that is nested more deeply than mime_nesting_limit; `field` says so. */
  tooDeep?(field: string): void;
  /** A header is complete, the message's own or that of a part or attached message: what it says of the body behind it. */
  entity?(entity: Entity): void;
  /** The message's own header is complete. */
  headerEnd?(): MaybeAsync<void>;
  /** A stretch of body, the first of one where it `begins`: what takes its place, undefined when it stays. */
  body?(bytes: Buffer, begins: boolean, encoding: Encoding): MaybeAsync<string | undefined>;
  /** The content is complete. */
  end?(): MaybeAsync<void>;
}
