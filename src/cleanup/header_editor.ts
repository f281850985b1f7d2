import { quoteAddress } from "../address/address.ts";
import { rewriteField } from "../address/address_list.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import { fullNameText } from "../message/full_name.ts";
import { compactDate, mailDate } from "../message/date.ts";
import { isTrouble } from "../rewrite/map_address.ts";
import type { Rewritten } from "../rewrite/rewriter.ts";
import { classed, defer } from "../smtp/reply.ts";
import type { Submission } from "./cleanup.ts";
import type { CleanupContext } from "./cleanup_deps.ts";
import { cutField } from "./cut_field.ts";
import { ADDRESS_HEADERS } from "./header_addresses.ts";
import { fromBytesText, throughLetters, toBytesText } from "./latin1.ts";
import type { MessageDraft } from "./message_draft.ts";
import { rewrittenSender } from "./recipients.ts";
import { type Changed, type HeaderField, type Stage, UNCHANGED } from "./stage.ts";

const WRITE_ERROR = classed(defer(451, "4.3.0", "Error: queue file write error"), "resource");
const GONE: Changed = { text: "" };

/** A message that has one of these is no letter to nobody (undisclosed_recipients_header); Bcc is not seen by those who get it. */
const RECIPIENT_HEADERS = ["to", "cc", "resent-to", "resent-cc"];

/** Headers whose absence matters, also with `resent-` in front. */
const COMPLETING: ReadonlySet<string> = new Set(
  [...RECIPIENT_HEADERS, ...["message-id", "date", "from"].flatMap((name) => [name, `resent-${name}`])],
);

const valueOf = (field: string) => field.slice(field.indexOf(":") + 1).trim();

/** Drops and rewrites fields of the message's own header, and adds what is missing (cleanup(8)). */
export class HeaderEditor implements Stage {
  readonly completes = true;
  readonly #deps: CleanupContext;
  readonly #submission: Submission;
  readonly #message: MessageDraft;
  readonly #context: "local" | "remote";
  readonly #rewrites: boolean;
  readonly #completes: boolean;
  /** Of what may have to be added. */
  readonly #seen = new Set<string>();
  #resent = false;
  #messageId: string | undefined;
  #resentMessageId: string | undefined;
  /** Why tables could not be asked for an address. */
  #trouble: string | undefined;

  constructor(deps: CleanupContext, submission: Submission, message: MessageDraft) {
    this.#deps = deps;
    this.#submission = submission;
    this.#message = message;
    this.#context = submission.completeHeaders ? "local" : "remote";
    // Whose headers are rewritten, be it with another domain, also gets those that are missing.
    this.#completes = deps.settings.alwaysComplete || deps.rewriter.rewritesHeaders(this.#context);
    this.#rewrites = !deps.settings.noMappings && deps.rewriter.rewritesHeaders(this.#context);
  }

  field({ place, name, text }: HeaderField): MaybeAsync<Changed> {
    const { headerSizeLimit } = this.#deps.settings;
    if (place !== "primary") return fieldOf(text, cutField(text, headerSizeLimit));
    this.#note(name, text);
    if (this.#deps.settings.dropped.has(name)) return GONE;
    const role = ADDRESS_HEADERS[name];
    if (!this.#rewrites || role === undefined) return fieldOf(text, cutField(text, headerSizeLimit));
    return then(this.#rewritten(role, text), (whole) => fieldOf(text, cutField(whole, headerSizeLimit)));
  }

  #rewritten(role: "header_sender" | "header_recipient", text: string): MaybeAsync<string> {
    const { rewriter, settings } = this.#deps;
    return rewriteField(
      text,
      settings.addressLimit,
      (address, written) =>
        throughLetters(address, (given, back) =>
          then(rewriter.header(role, given, this.#context), (made) => {
            const changed = back(this.#orTrouble(given, made));
            // An address that is written in an odd way is written in the usual one.
            return quoteAddress(changed) === written ? undefined : { address: changed };
          })),
    );
  }

  #orTrouble(address: string, made: Rewritten): string {
    if (!isTrouble(made)) return made;
    this.#trouble ??= made.trouble;
    return address;
  }

  #note(name: string, text: string): void {
    if (this.#completes && COMPLETING.has(name)) this.#seen.add(name);
    if (name.startsWith("content-")) this.#noteEncoding(name, text);
    if (name === "message-id") this.#messageId = valueOf(text);
    else if (name.startsWith("resent-")) {
      this.#resent = true;
      if (name === "resent-message-id") this.#resentMessageId = valueOf(text);
    }
  }

  /** Parts may have 8-bit bytes whatever stands in front; they are taken to say so when they do. */
  #noteEncoding(name: string, text: string): void {
    if (!this.#deps.settings.detectsEightBit) return;
    const value = valueOf(text);
    if (name === "content-transfer-encoding" && /^(?:8bit|binary)(?:[\s;(]|$)/i.test(value)) {
      this.#message.saysEightBit = "yes";
    } else if (name === "content-type" && /^(?:multipart|message)\//i.test(value)) {
      this.#message.saysEightBit ??= "in parts";
    }
  }

  #newId(): string {
    const { settings } = this.#deps;
    const { id, arrival } = this.#submission;
    const stamp = settings.longIds ? "" : `${compactDate(arrival)}.`;
    return `<${stamp}${id}@${settings.myhostname}>`;
  }

  /** `name` in lower case. */
  #has(prefix: string, name: string): boolean {
    return this.#seen.has(prefix === "" ? name : prefix.toLowerCase() + name);
  }

  #missingMessageId(prefix: string): readonly string[] {
    if (this.#has(prefix, "message-id")) return [];
    const made = this.#newId();
    if (prefix === "") this.#messageId = made;
    else this.#resentMessageId = made;
    return [`${prefix}Message-Id: ${made}`];
  }

  /** What is missing, in Postfix's order; a Resent- header asks for the Resent- set (RFC 5322 §3.6.6). */
  #missing(sender: string): readonly string[] {
    const { undisclosedHeader } = this.#deps.settings;
    const prefix = this.#resent ? "Resent-" : "";
    const lines = [...this.#missingMessageId(prefix)];
    if (!this.#has(prefix, "date")) lines.push(`${prefix}Date: ${mailDate(this.#submission.arrival)}`);
    if (!this.#has(prefix, "from")) lines.push(`${prefix}From: ${this.#from(sender)}`);
    const isDisclosed = RECIPIENT_HEADERS.some((name) => this.#seen.has(name));
    return undisclosedHeader === "" || isDisclosed ? lines : [...lines, undisclosedHeader];
  }

  /** What is made here for nobody has no name. */
  #from(sender: string): string {
    const address = quoteAddress(sender) || "MAILER-DAEMON";
    const { fullName } = this.#submission;
    const { nameForm } = this.#deps.settings;
    const name = sender === "" || fullName === undefined ? undefined : fullNameText(fullName, nameForm);
    if (name === undefined) return address;
    return nameForm.place === "comment" ? `${address} (${name})` : `${name} <${address}>`;
  }

  headerEnd(): MaybeAsync<void> {
    const { sender } = this.#message;
    if (!this.#completes) return this.#complete([]);
    return then(
      rewrittenSender(this.#deps, sender),
      (rewritten) => this.#complete(this.#missing(this.#orTrouble(sender, rewritten))),
    );
  }

  #complete(missing: readonly string[]): void {
    const { log } = this.#deps;
    const { id } = this.#message;
    if (this.#trouble !== undefined) {
      log.note("cleanup", "warning", `${id}: ${this.#trouble}`);
      return this.#message.refuse(WRITE_ERROR);
    }
    log.emit("cleanup", "messageId", { id, messageId: logged(this.#messageId ?? "<>") });
    if (this.#resentMessageId !== undefined) {
      log.emit("cleanup", "messageId", { id, messageId: logged(this.#resentMessageId), resent: true });
    }
    this.#message.messageId = this.#messageId;
    for (const line of missing) this.#message.addField(`${toBytesText(line)}\r\n`);
  }
}

const fieldOf = (given: string, made: string): Changed => given === made ? UNCHANGED : { text: made };

/** Line ends inside a value are one character, which the log shows as `?`. */
const logged = (value: string) => fromBytesText(value).replaceAll("\r\n", "\n");
