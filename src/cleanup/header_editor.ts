import { quoteAddress } from "../address/address.ts";
import { breather } from "../base/breather.ts";
import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import { compactDate, mailDate } from "../message/date.ts";
import { type Field, fieldValue, MBOX_FROM, scanHeader } from "../message/header.ts";
import type { Checked } from "./check_run.ts";
import type { CleanupSettings } from "./cleanup_settings.ts";
import { ADDRESS_HEADERS, rewriteAddresses } from "./header_addresses.ts";

/** What the editor is told about the message. */
export interface HeaderContext {
  readonly settings: CleanupSettings;
  readonly id: string;
  readonly arrival: number;
  /** Missing headers are added. */
  readonly complete: boolean;
  /** Rewrites an address; undefined when headers stay as they are. */
  readonly rewrite:
    | ((role: "header_sender" | "header_recipient", address: string) => MaybeAsync<string>)
    | undefined;
  /** Holds a header against the tables; undefined when there are none. */
  readonly check: ((name: string, text: string) => MaybeAsync<Checked>) | undefined;
}

/** What has been found in the headers. */
export interface HeaderFindings {
  readonly received: number;
  /** Raw values. */
  readonly messageId: string | undefined;
  readonly resentMessageId: string | undefined;
  /** Value of Content-Type, "" when there is none. */
  readonly contentType: string;
  /** Headers to add. */
  readonly additions: string;
}

/** Fields between two looks at the time. */
const STRETCH = 64;

const RECIPIENT_HEADERS = ["to", "cc", "bcc", "apparently-to", "resent-to", "resent-cc", "resent-bcc"];

/** Headers whose absence matters, also with `resent-` in front. */
const COMPLETING: ReadonlySet<string> = new Set(
  [...RECIPIENT_HEADERS, ...["message-id", "date", "from"].flatMap((name) => [name, `resent-${name}`])],
);

/** Goes over header fields as they come, and says what has to be added after the last. */
export class HeaderEditor {
  readonly #context: HeaderContext;
  readonly #seen = new Set<string>();
  #received = 0;
  #resent = false;
  #messageId: string | undefined;
  #resentMessageId: string | undefined;
  #contentType = "";

  constructor(context: HeaderContext) {
    this.#context = context;
  }

  /** The text of some fields after editing; runs of untouched fields stay in one piece. */
  edit(text: string, fields: readonly Field[]): MaybeAsync<string> {
    return this.#editFrom(text, fields, 0, "", fields[0]?.start ?? 0);
  }

  #editFrom(
    text: string,
    fields: readonly Field[],
    index: number,
    done: string,
    kept: number,
  ): MaybeAsync<string> {
    for (let i = index; i < fields.length; i++) {
      const pause = i > index && i % STRETCH === 0 ? breather() : undefined;
      if (pause !== undefined) return pause.then(() => this.#editFrom(text, fields, i, done, kept));
      const field = fields[i]!;
      const changed = this.#field(text, field);
      if (changed === undefined) continue;
      const before = done + text.slice(kept, field.start);
      if (isPromise(changed)) {
        return changed.then((now) => this.#editFrom(text, fields, i + 1, before + now, field.end));
      }
      done = before + changed;
      kept = field.end;
    }
    return done + text.slice(kept, fields.at(-1)?.end ?? kept);
  }

  /** A field's new text; undefined when it stays as it is. */
  #field(text: string, field: Field): MaybeAsync<string> | undefined {
    if (field.name === MBOX_FROM) return `X-Mailbox-Line: ${text.slice(field.start, field.end)}`;
    const { check } = this.#context;
    const tidy = this.#tidied(text, field);
    if (check === undefined) return this.#process(text, field, tidy);
    const whole = tidy ?? text.slice(field.start, field.end);
    return then(check(field.name, whole), ({ text: changed, before = "" }) => {
      const kept = changed === undefined
        ? this.#process(text, field, tidy) ?? whole
        : this.#replaced(changed);
      return then(kept, (line) => before + line);
    });
  }

  /** What a table put in a header's place goes the way of any header. */
  #replaced(text: string): MaybeAsync<string> {
    const { fields } = scanHeader(text, 0, true, false);
    const [field] = fields;
    return field === undefined ? text : this.#process(text, field, undefined) ?? text;
  }

  /** Drops and rewrites; `tidy` is the field's text where it is not what was sent. */
  #process(text: string, field: Field, tidy: string | undefined): MaybeAsync<string> | undefined {
    this.#note(text, field);
    if (this.#context.settings.dropped.has(field.name)) return "";
    const role = ADDRESS_HEADERS[field.name];
    const { rewrite } = this.#context;
    if (rewrite === undefined || role === undefined) return tidy;
    const raw = tidy ?? text.slice(field.start, field.end);
    const colon = field.name.length + 1;
    const rewritten = rewriteAddresses(
      raw.slice(colon),
      this.#context.settings.addressLimit,
      (address) => rewrite(role, address),
    );
    return then(rewritten, (value) => raw.slice(0, colon) + value);
  }

  /** `Subject : x` loses its blank, a NUL ends its line early, an endless field is cut (header_size_limit). */
  #tidied(text: string, field: Field): string | undefined {
    const { name, start, value, end } = field;
    const limit = this.#context.settings.headerSizeLimit;
    const blanks = value - start > name.length + 1;
    const nul = text.indexOf("\0", start);
    const hasNul = nul >= 0 && nul < end;
    if (!blanks && !hasNul && end - start <= limit) return undefined;
    const kept = text.slice(value, end);
    let tidy = `${text.slice(start, start + name.length)}:${hasNul ? kept.replace(/\0[^\r\n]*/g, "") : kept}`;
    if (tidy.length > limit) tidy = tidy.slice(0, limit);
    return tidy.endsWith("\r\n") ? tidy : `${tidy.replace(/[\r\n]+$/, "")}\r\n`;
  }

  #note(text: string, field: Field): void {
    const { name } = field;
    if (COMPLETING.has(name)) this.#seen.add(name);
    if (name === "received") this.#received++;
    else if (name === "content-type") this.#contentType = text.slice(field.value, field.end);
    else if (name === "message-id") this.#messageId = fieldValue(text, field);
    else if (name.startsWith("resent-")) {
      this.#resent = true;
      if (name === "resent-message-id") this.#resentMessageId = fieldValue(text, field);
    }
  }

  #newId(): string {
    const { id, arrival, settings } = this.#context;
    const stamp = settings.longIds ? "" : `${compactDate(arrival)}.`;
    return `<${stamp}${id}@${settings.myhostname}>`;
  }

  #addMessageId(prefix: string): string {
    if (this.#seen.has(`${prefix}message-id`.toLowerCase())) return "";
    const made = this.#newId();
    if (prefix === "") this.#messageId = made;
    else this.#resentMessageId = made;
    return `${prefix}Message-Id: ${made}\r\n`;
  }

  /** What is missing, in Postfix's order; a Resent- header asks for the Resent- set (RFC 5322 §3.6.6). */
  #missing(sender: string): string {
    const { arrival, settings } = this.#context;
    const prefix = this.#resent ? "Resent-" : "";
    const lacks = (name: string) => !this.#seen.has(`${prefix}${name}`.toLowerCase());
    let out = this.#addMessageId(prefix);
    if (lacks("date")) out += `${prefix}Date: ${mailDate(arrival)}\r\n`;
    if (lacks("from")) out += `${prefix}From: ${quoteAddress(sender) || "MAILER-DAEMON"}\r\n`;
    const { undisclosedHeader } = settings;
    if (undisclosedHeader !== "" && !RECIPIENT_HEADERS.some((name) => this.#seen.has(name))) {
      out += `${undisclosedHeader}\r\n`;
    }
    return out;
  }

  /** After the last field; `sender` is the rewritten one. */
  finish(sender: string): HeaderFindings {
    const additions = this.#context.complete ? this.#missing(sender) : "";
    return {
      received: this.#received,
      messageId: this.#messageId,
      resentMessageId: this.#resentMessageId,
      contentType: this.#contentType,
      additions,
    };
  }
}
