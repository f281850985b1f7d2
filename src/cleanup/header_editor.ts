import { quoteAddress } from "../address/address.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import { compactDate, mailDate } from "../message/date.ts";
import type { Checked } from "./check_run.ts";
import type { CleanupSettings } from "./cleanup_settings.ts";
import { cutField } from "./cut_field.ts";
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
  /** Headers to add. */
  readonly additions: string;
}

const RECIPIENT_HEADERS = ["to", "cc", "bcc", "apparently-to", "resent-to", "resent-cc", "resent-bcc"];

/** Headers whose absence matters, also with `resent-` in front. */
const COMPLETING: ReadonlySet<string> = new Set(
  [...RECIPIENT_HEADERS, ...["message-id", "date", "from"].flatMap((name) => [name, `resent-${name}`])],
);

const valueOf = (field: string) => field.slice(field.indexOf(":") + 1).trim();

/** Goes over header fields as they come, and says what has to be added after the last. */
export class HeaderEditor {
  readonly #context: HeaderContext;
  readonly #seen = new Set<string>();
  #received = 0;
  #resent = false;
  #messageId: string | undefined;
  #resentMessageId: string | undefined;

  constructor(context: HeaderContext) {
    this.#context = context;
  }

  /** What a field becomes; its name is in lower case, its text whole lines, "" when it goes. */
  field(name: string, text: string): MaybeAsync<string> {
    // What a table makes of it has come through these hosts all the same.
    if (name === "received") this.#received++;
    const { check } = this.#context;
    if (check === undefined) return this.#process(name, text);
    return then(check(name, text), ({ text: changed, before = "" }) => {
      const kept = changed === undefined ? this.#process(name, text) : this.#replaced(changed);
      return then(kept, (line) => before + line);
    });
  }

  /** What a table put in a header's place goes the way of any header. */
  #replaced(text: string): MaybeAsync<string> {
    const name = /^([!-9;-~]+)[ \t]*:/.exec(text)?.[1];
    return name === undefined ? text : this.#process(name.toLowerCase(), text);
  }

  #process(name: string, text: string): MaybeAsync<string> {
    this.#note(name, text);
    const { settings, rewrite } = this.#context;
    if (settings.dropped.has(name)) return "";
    const role = ADDRESS_HEADERS[name];
    if (rewrite === undefined || role === undefined) return cutField(text, settings.headerSizeLimit);
    const colon = text.indexOf(":") + 1;
    const rewritten = rewriteAddresses(
      text.slice(colon),
      settings.addressLimit,
      (address) => rewrite(role, address),
    );
    return then(rewritten, (value) => cutField(text.slice(0, colon) + value, settings.headerSizeLimit));
  }

  #note(name: string, text: string): void {
    if (COMPLETING.has(name)) this.#seen.add(name);
    if (name === "message-id") this.#messageId = valueOf(text);
    else if (name.startsWith("resent-")) {
      this.#resent = true;
      if (name === "resent-message-id") this.#resentMessageId = valueOf(text);
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
      additions,
    };
  }
}
