import { type Address, NULL_ADDRESS } from "../address/address.ts";
import { isPromise } from "../base/maybe_async.ts";
import type { Cleanup, Committed, IncomingMessage } from "../cleanup/cleanup.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { internalReceived } from "../message/received.ts";
import type { Log } from "../observe/log.ts";
import type { Envelope, QueueId } from "../queue/envelope.ts";
import { doubleBounceAddress } from "./double_bounce.ts";
import type { NoticeSubject, ReportedRecipient } from "./bouncer.ts";
import { type NoticeParts, printNotice, type Returned } from "./notice.ts";
import { headersOf } from "./original.ts";
import { BUILT_IN, expandBody, type Template, type Templates } from "./template.ts";

/** The main.cf parameters that bounce(8) obeys. */
export const BOUNCE_PARAMETERS = [
  "myhostname",
  "myorigin",
  "requiretls_enable",
  "requiretls_redact_dsn",
  "tls_required_enable",
  "mail_name",
  "bounce_size_limit",
  "bounce_notice_recipient",
  "2bounce_notice_recipient",
  "delay_notice_recipient",
  "disable_verp_bounces",
  "double_bounce_sender",
  "notify_classes",
  "header_from_format",
  "enable_threaded_bounces",
  "smtputf8_enable",
  "maximal_queue_lifetime",
  "delay_warning_time",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type BounceSettings = SettingsOf<typeof BOUNCE_PARAMETERS>;

/** What the bouncer is built from. */
export interface BounceDeps {
  readonly cleanup: Cleanup;
  readonly newId: () => QueueId;
  readonly log: Log;
  readonly now: () => number;
  readonly settings: BounceSettings;
  /** main.cf by name, for `$name` in templates. */
  readonly parameter: (name: string) => string | undefined;
  /** From bounce_template_file; without it the built-in texts. */
  readonly templates?: Templates;
}

/** A notice that is due. */
export interface DueNotice {
  readonly subject: NoticeSubject;
  readonly entries: readonly ReportedRecipient[];
  readonly kind: "failure" | "delay" | "success" | "verify";
  readonly to: Address;
  /** It goes from the double-bounce address: nobody is told when it fails in turn. */
  readonly fromDoubleBounce: boolean;
  /** A postmaster's copy has no words but what happened. */
  readonly isCopy: boolean;
  readonly returned: Returned;
}

const LOGGED = {
  failure: "non-delivery",
  delay: "delay",
  success: "delivery status",
  verify: "delivery status",
} as const;

/** What came under REQUIRETLS does not go back without (RFC 8689 §5). */
export function isRedacted({ requireTls }: Envelope, settings: BounceSettings): boolean {
  return requireTls === true && settings.requiretls_enable && settings.requiretls_redact_dsn;
}

/** Writes notices and hands them to cleanup; whom they are for, and when, is not decided here. */
export class NoticeSender {
  readonly doubleBounce: Address;
  readonly #deps: BounceDeps;
  readonly #templates: Templates;

  constructor(deps: BounceDeps) {
    this.#deps = deps;
    this.#templates = deps.templates ?? BUILT_IN;
    this.doubleBounce = doubleBounceAddress(deps.settings);
  }

  /** Answers whether it is durably queued, or there was nothing to say. */
  async send(due: DueNotice): Promise<boolean> {
    if (due.entries.length === 0) return true;
    const first = await this.#submit(due);
    if (first.is === "queued") return this.#logged(due, first.id);
    if (first.reply.code < 500 || due.returned === "headers") return this.#refused(due, first);
    // What is too large or too deep as a whole may still pass as headers.
    const second = await this.#submit({ ...due, returned: "headers" });
    return second.is === "queued" ? this.#logged(due, second.id) : this.#refused(due, second);
  }

  #logged(due: DueNotice, notice: QueueId): true {
    const kind = `${due.isCopy ? "postmaster" : "sender"} ${LOGGED[due.kind]}`;
    this.#deps.log.emit("bounce", "notification", { id: due.subject.envelope.id, kind, notice });
    return true;
  }

  #refused(due: DueNotice, refusal: Extract<Committed, { is: "refused" }>): false {
    const why = refusal.reply.lines.join(" ");
    this.#deps.log.note("bounce", "warning", `${due.subject.envelope.id}: cannot queue a notice: ${why}`);
    return false;
  }

  async #submit(due: DueNotice): Promise<Committed> {
    const { envelope, content } = due.subject;
    const { cleanup, newId, now, settings } = this.#deps;
    const [id, arrival] = [newId(), now()];
    const { to } = due;
    const printed = printNotice(this.#parts(due, arrival));
    const message = cleanup.begin({
      id,
      arrival,
      sender: due.fromDoubleBounce ? this.doubleBounce : NULL_ADDRESS,
      recipients: [{ address: to, original: to, notify: 0 }],
      origin: {},
      body: settings.smtputf8_enable || envelope.body === "8BITMIME" ? "8BITMIME" : undefined,
      smtputf8: envelope.smtputf8,
      ...this.#tlsWishes(envelope),
      kind: "bounce",
      prepend: [internalReceived(settings, id, arrival)],
      completeHeaders: true,
    });
    try {
      await write(message, Buffer.from(printed.before));
      if (due.returned === "headers") await write(message, await headersOf(content));
      else for await (const chunk of content.chunks()) await write(message, chunk);
      await write(message, Buffer.from(printed.after));
      return await message.commit();
    } catch (error) {
      message.abort();
      throw error;
    }
  }

  #parts(due: DueNotice, now: number): NoticeParts {
    const { settings, parameter } = this.#deps;
    const { envelope } = due.subject;
    const { isCopy: forPostmaster } = due;
    const template = this.#templates[`${due.kind}_template`];
    return {
      subject: due.subject,
      entries: due.entries,
      template,
      text: forPostmaster ? "" : expandBody(template.body, settings, parameter),
      heading: forPostmaster ? template.postmasterSubject : template.subject,
      to: this.#qualified(due.to),
      from: this.#from(template),
      forPostmaster,
      shownSender: envelope.sender === "" ? `MAILER-DAEMON@${settings.myhostname}` : envelope.sender,
      retryUntil: due.kind === "delay"
        ? envelope.arrival + settings.maximal_queue_lifetime * 1000
        : undefined,
      returned: due.returned,
      returnedName: due.kind === "success" || due.kind === "verify" ? "Message" : "Undelivered Message",
      now,
      hostname: settings.myhostname,
      mailName: settings.mail_name,
      smtputf8Enabled: settings.smtputf8_enable,
      threaded: settings.enable_threaded_bounces,
      tlsNotRequired: this.#passesWithoutTls(envelope),
    };
  }

  #qualified(address: string): string {
    return address.includes("@") ? address : `${address}@${this.#deps.settings.myorigin}`;
  }

  /** From: of a template as it is written, its address completed; else our own name in the form of header_from_format. */
  #from({ from }: Template): string {
    if (from === undefined) {
      const [name, address] = ["Mail Delivery System", this.#qualified("MAILER-DAEMON")];
      return this.#deps.settings.header_from_format === "obsolete"
        ? `${address} (${name})`
        : `${name} <${address}>`;
    }
    if (/<[^<>]*>\s*$/.test(from)) {
      return from.replace(/<([^<>]*)>\s*$/, (_whole, address: string) => `<${this.#qualified(address)}>`);
    }
    return from.replace(/^\S+/, (address) => this.#qualified(address));
  }

  /** What the sender wished about TLS holds for what goes back to it; a redacted notice may go without. */
  #tlsWishes(envelope: Envelope): Pick<Envelope, "requireTls"> {
    const { requiretls_enable } = this.#deps.settings;
    const demanded = envelope.requireTls && requiretls_enable && !isRedacted(envelope, this.#deps.settings);
    return { requireTls: demanded || undefined };
  }

  /** `TLS-Required: no` of the original goes on; REQUIRETLS overrules it. */
  #passesWithoutTls({ tlsNotRequired, requireTls }: Envelope): boolean {
    const { tls_required_enable, requiretls_enable } = this.#deps.settings;
    return tls_required_enable && tlsNotRequired === true && !(requireTls && requiretls_enable);
  }
}

async function write(message: IncomingMessage, bytes: Uint8Array): Promise<void> {
  const written = message.write(bytes);
  if (isPromise(written)) await written;
}
