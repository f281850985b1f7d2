import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { signContent } from "../../mailauth/dkim/sign_content.ts";
import type { SigningKey } from "../../mailauth/dkim/signing_key.ts";
import { DECLARATION, isWide, sevenBitDeclaration } from "../../message/converting_walker.ts";
import type { Entity } from "../../message/mime_walker.ts";
import type { Log } from "../../observe/log.ts";
import type { OpenMaps } from "../../rewrite/open_tables.ts";
import { LineCutter } from "../../smtp/line_cutter.ts";
import { classed, defer } from "../../smtp/reply.ts";
import type { Submission } from "../cleanup.ts";
import type { MessageDraft } from "../message_draft.ts";
import { type Changed, type Stage, UNCHANGED } from "../stage.ts";
import { BodyHash, bodyHashOf } from "./body_hash.ts";
import { fromDomain } from "./from_domain.ts";
import { findKeyEntries } from "./key_table.ts";
import type { SigningKeys } from "./signing_keys.ts";
import type { FieldRules } from "./signing_settings.ts";

/** What LineMeter says of all lines that are not longer. */
const USUAL = 998;

const NO_LOOKUP = classed(defer(451, "4.3.0", "Temporary lookup error"), "resource");
const NO_KEY = classed(defer(451, "4.3.5", "Server configuration error"), "software");

/** What all messages are signed with. */
export interface SigningContext {
  readonly maps: OpenMaps;
  readonly keys: SigningKeys;
  readonly fields: FieldRules;
  /** header_address_token_limit. */
  readonly addressLimit: number;
  /** smtp_line_length_limit; 0: none. */
  readonly lineLimit: number;
  /** dkim_mime_conversion. */
  readonly converts: boolean;
  readonly log: Log;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** What a domain is signed for with. */
type Found =
  | { readonly is: "keys"; readonly domain: string; readonly keys: readonly SigningKey[] }
  | { readonly is: "none"; readonly domain: string | undefined }
  | {
    readonly is: "trouble";
    readonly domain: string;
    readonly why: string;
    readonly reply: typeof NO_LOOKUP;
  };

/** One message that is to be signed, if there is a key for the domain of its From: (RFC 6376 §5). */
export class MessageSigning {
  readonly #context: SigningContext;
  readonly #submission: Submission;
  readonly #message: MessageDraft;
  /** What the message's own header says of its body. */
  #entity: Entity | undefined;
  /** For the header as it was before filters. */
  #early: Found | undefined;
  #hash: BodyHash | undefined;
  #cutter: LineCutter | undefined;
  #isCut = false;

  constructor(context: SigningContext, submission: Submission, message: MessageDraft) {
    this.#context = context;
    this.#submission = submission;
    this.#message = message;
  }

  /** Before filters: nothing is left to be changed by a server on the way, and the body is hashed as it goes by. */
  get prepares(): Stage {
    return {
      mayConvert: this.#context.converts,
      looksInto: { parts: false, lines: false },
      entity: (entity) => void (this.#entity ??= entity),
      headerEnd: () =>
        then(this.#find(), (found) => {
          this.#early = found;
          if (found.is === "trouble") this.#fail(found);
          if (found.is === "keys" && !this.#message.isOver) this.#prepare();
        }),
      field: ({ place, text }) => place === "primary" ? UNCHANGED : this.#cutField(text),
      body: (bytes) => this.#cut(bytes),
    };
  }

  /** Behind all others: the header is as it will be sent. */
  get signs(): Stage {
    return { end: () => this.#sign() };
  }

  #find(): MaybeAsync<Found> {
    const { maps, keys, addressLimit } = this.#context;
    const domain = fromDomain(this.#message.fields, addressLimit);
    if (domain === undefined || domain === this.#early?.domain) return this.#early ?? { is: "none", domain };
    return then(findKeyEntries(maps, domain), (found): Found => {
      if (found.is === "absent") return { is: "none", domain };
      if (found.is === "trouble") return { ...found, domain, reply: NO_LOOKUP };
      const answer = keys.all(domain, found.entries);
      if ("keys" in answer) return { is: "keys", domain, keys: answer.keys };
      return { is: "trouble", domain, why: answer.fault, reply: NO_KEY };
    });
  }

  /** Mail waits for its key; a notice that is not sent now would be lost. */
  #fail({ domain, why, reply }: Extract<Found, { readonly is: "trouble" }>): void {
    const { log } = this.#context;
    const { id, kind } = this.#submission;
    const deferred = kind === undefined;
    log.emit("cleanup", "dkimUnsigned", { id, domain, why, deferred });
    if (deferred) this.#message.refuse(reply);
  }

  #prepare(): void {
    const { converts, lineLimit } = this.#context;
    if (converts && this.#entity !== undefined && isWide(this.#entity)) this.#declareSevenBit(this.#entity);
    this.#message.isConverted = converts;
    this.#cutter = new LineCutter(lineLimit);
    const hash = new BodyHash();
    if (this.#message.follow((bytes) => hash.push(bytes))) this.#hash = hash;
  }

  /** The body will be in 7 bits: the header says so. */
  #declareSevenBit(entity: Entity): void {
    while (this.#message.deleteField(DECLARATION, 1));
    this.#message.appendField(sevenBitDeclaration(entity));
    this.#message.saysEightBit = undefined;
  }

  #cut(bytes: Buffer): string | undefined {
    const made = this.#cutter?.push(bytes);
    if (made !== undefined && !this.#isCut) {
      this.#isCut = true;
      const { log, lineLimit } = this.#context;
      log.note(
        "cleanup",
        "info",
        `${this.#message.id}: breaking lines over ${lineLimit} bytes before signing`,
      );
    }
    return made?.toString("latin1");
  }

  /** Of a part: the message's own are folded, or signed as they are. */
  #cutField(text: string): Changed {
    const made = this.#cut(Buffer.from(text, "latin1"));
    return made === undefined ? UNCHANGED : { text: made };
  }

  #sign(): MaybeAsync<void> {
    if (this.#message.isOver || this.#submission.discard) return;
    return then(this.#find(), (found) => {
      // What was in trouble before has been told.
      if (found.is === "trouble" && found !== this.#early) this.#fail(found);
      if (found.is === "keys") return this.#signWith(found.domain, found.keys);
    });
  }

  async #signWith(domain: string, keys: readonly SigningKey[]): Promise<void> {
    const message = this.#message;
    const hash = await bodyHashOf(message, this.#hash);
    const why = this.#unfit(hash);
    const { log, fields, now } = this.#context;
    if (hash === undefined || why !== undefined) {
      if (message.isOver) return;
      return log.emit("cleanup", "dkimUnsigned", {
        id: message.id,
        domain,
        why: why ?? "no body",
        deferred: false,
      });
    }
    const given = [...message.fields];
    const options = { ...fields.for(given), now: now() };
    // The first key's signature comes to the top.
    for (const [at, key] of [...keys.entries()].reverse()) {
      message.insertField(0, signContent(given, hash, key, options));
      const { selector, domain } = key;
      log.emit("cleanup", "dkimSigned", { id: message.id, selector, domain, last: at === 0 });
    }
  }

  /** What a server on the way would change, or those who check would read in another way. */
  #unfit(hash: Buffer | undefined): string | undefined {
    const { lineLimit } = this.#context;
    if (this.#message.isHeaderCut) return "the header is too large";
    if (hash === undefined) return "no blank line is between header and body";
    const isOver = (field: string) =>
      field.length > lineLimit && field.split("\r\n").some((line) => line.length > lineLimit);
    if (lineLimit > 0 && this.#message.fields.some(isOver)) {
      return `a header line is over ${lineLimit} bytes and cannot be folded`;
    }
    // Filters put in what they like; lines up to the usual length are not measured.
    if (lineLimit > 0 && this.#message.longestBodyLine > Math.max(lineLimit, USUAL)) {
      return `there are lines over ${lineLimit} bytes in the body`;
    }
  }
}
