import { type Address, internalAddress, NULL_ADDRESS } from "../address/address.ts";
import { verpSender } from "../address/verp.ts";
import { isPromise } from "../base/maybe_async.ts";
import type { Cleanup, Committed, IncomingMessage } from "../cleanup/cleanup.ts";
import { splitList } from "../config/syntax/list.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { internalReceived } from "../message/received.ts";
import type { Log } from "../observe/log.ts";
import { systemErrorText } from "../platform/system_error.ts";
import { type Envelope, memberOf, NOTIFY, type QueueId } from "../queue/envelope.ts";
import { doubleBounceAddress } from "./double_bounce.ts";
import type { Bouncer, NoticeSubject, ReportedRecipient } from "./bouncer.ts";
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
interface Due {
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

/** What the log says of a postmaster's copy that could not be queued. */
const COPY_OF = { failure: "bouncing to", delay: "warning" } as const;

type Entries = readonly ReportedRecipient[];

/** Whom one of the notices is for: who did not say, or asked for it (RFC 3461 §4.1). */
const wantedBy = (bit: number) => ({ recipient: { notify } }: ReportedRecipient) =>
  notify === 0 || (notify & bit) !== 0;

/** Builds the service that tells senders and postmasters (bounce(8)). */
export function createBouncer(deps: BounceDeps): Bouncer {
  return new NoticeWriter(deps);
}

class NoticeWriter implements Bouncer {
  readonly #deps: BounceDeps;
  readonly #templates: Templates;
  readonly #classes: ReadonlySet<string>;
  readonly #doubleBounce: Address;

  constructor(deps: BounceDeps) {
    this.#deps = deps;
    this.#templates = deps.templates ?? BUILT_IN;
    this.#classes = new Set(splitList(deps.settings.notify_classes));
    this.#doubleBounce = doubleBounceAddress(deps.settings);
  }

  /** Failures of a list with an owner go to that one, each by itself, whoever wrote to the list. */
  async failed(subject: NoticeSubject, entries: Entries): Promise<boolean> {
    const forSender = entries.filter(({ detail }) => detail.owner === undefined);
    for (const entry of entries) {
      const { owner } = entry.detail;
      if (owner !== undefined && !await this.#returnToOwner(internalAddress(owner), subject, entry)) {
        return false;
      }
    }
    return forSender.length === 0 || await this.#returnTo(subject.envelope.sender, subject, forSender);
  }

  async #returnToOwner(to: Address, subject: NoticeSubject, entry: ReportedRecipient): Promise<boolean> {
    if (!entry.detail.member) return await this.#returnTo(to, subject, [entry]);
    const envelope = { ...subject.envelope, envid: undefined, ret: undefined };
    return await this.#returnTo(to, { ...subject, envelope }, [{
      ...entry,
      recipient: memberOf(entry.recipient),
    }]);
  }

  async #returnTo(to: Address, subject: NoticeSubject, entries: Entries): Promise<boolean> {
    const { envelope } = subject;
    if (this.#isDoubleBounce(to)) {
      this.#note("warning", `${envelope.id}: undeliverable postmaster notification discarded`);
      return true;
    }
    const returned = this.#returned(subject, envelope.ret === "HDRS" || this.#isRedacted(envelope));
    if (to === "") return await this.#failedNotice(subject, entries, returned);
    const { verp } = envelope;
    if (verp !== undefined && to === envelope.sender && !this.#deps.settings.disable_verp_bounces) {
      return await this.#failedEach(subject, entries, returned, verp);
    }
    return await this.#tellOfFailure(subject, entries, returned, to);
  }

  /** Mail without a sender: the postmaster is told, where he wants any bounces (notify_classes). */
  async #failedNotice(subject: NoticeSubject, entries: Entries, returned: Returned): Promise<boolean> {
    if (!this.#classes.has("2bounce") && !this.#classes.has("bounce")) return true;
    const to = internalAddress(this.#deps.settings["2bounce_notice_recipient"]);
    const whom = { to, fromDoubleBounce: true, isCopy: true };
    return await this.#send({ subject, entries, kind: "failure", ...whom, returned });
  }

  /** A notice for each recipient, to the sender of its copy; at the first sign of trouble no more. */
  async #failedEach(
    subject: NoticeSubject,
    entries: Entries,
    returned: Returned,
    delimiters: string,
  ): Promise<boolean> {
    for (const entry of entries) {
      const { original, address } = entry.recipient;
      const to = verpSender(subject.envelope.sender, delimiters, original === "" ? address : original);
      if (!await this.#tellOfFailure(subject, [entry], returned, to)) return false;
    }
    return true;
  }

  async #tellOfFailure(
    subject: NoticeSubject,
    entries: Entries,
    returned: Returned,
    to: Address,
  ): Promise<boolean> {
    const wanted = entries.filter(wantedBy(NOTIFY.failure));
    const told = await this.#tellSender({ subject, entries: wanted, kind: "failure", to, returned });
    if (told && this.#classes.has("bounce")) {
      await this.#copy(
        { subject, entries, kind: "failure", to },
        this.#deps.settings.bounce_notice_recipient,
      );
    }
    return told;
  }

  /** Nobody is warned of a delay of mail without a sender: it has no warning time (cleanup(8)). */
  async delayed(subject: NoticeSubject, entries: Entries): Promise<boolean> {
    const { sender: to } = subject.envelope;
    if (to === "" || this.#isDoubleBounce(to)) return true;
    const wanted = entries.filter(wantedBy(NOTIFY.delay));
    const told = await this.#tellSender({ subject, entries: wanted, kind: "delay", to, returned: "headers" });
    if (told && this.#classes.has("delay")) {
      await this.#copy({ subject, entries, kind: "delay", to }, this.#deps.settings.delay_notice_recipient);
    }
    return told;
  }

  succeeded(subject: NoticeSubject, entries: Entries): Promise<boolean> {
    return this.#reported(subject, entries, "success");
  }

  traced(subject: NoticeSubject, entries: Entries): Promise<boolean> {
    return this.#reported(subject, entries, "verify");
  }

  /** Reports follow the rules of failures: of a notice only the postmaster hears, of his own nobody. */
  async #reported(subject: NoticeSubject, entries: Entries, kind: "success" | "verify"): Promise<boolean> {
    const { id, sender } = subject.envelope;
    const due = { subject, entries, kind, returned: "headers", isCopy: false } as const;
    if (sender !== "" && !this.#isDoubleBounce(sender)) return await this.#tellSender({ ...due, to: sender });
    if (sender === "" && this.#classes.has("2bounce")) {
      const to = internalAddress(this.#deps.settings["2bounce_notice_recipient"]);
      return await this.#send({ ...due, to, fromDoubleBounce: true });
    }
    const what = sender === "" ? "single-bounce" : "double-bounce";
    this.#note("info", `${id}: not sending trace/success notification for ${what} message`);
    return true;
  }

  async #tellSender(due: Omit<Due, "fromDoubleBounce" | "isCopy">): Promise<boolean> {
    return await this.#send({ ...due, fromDoubleBounce: false, isCopy: false });
  }

  /** Who is to be told has been: a copy that cannot be queued does not make that come again. */
  async #copy(
    due: Pick<Due, "subject" | "entries" | "to"> & { readonly kind: "failure" | "delay" },
    postmaster: string,
  ): Promise<void> {
    const copy = { fromDoubleBounce: true, isCopy: true, returned: "headers" } as const;
    const failed = (why: string) => {
      const what = `postmaster notice failed while ${COPY_OF[due.kind]} ${due.to}`;
      this.#note("warning", `${due.subject.envelope.id}: ${what}${why}`);
    };
    try {
      if (!await this.#send({ ...due, ...copy, to: internalAddress(postmaster) })) failed("");
    } catch (error) {
      failed(`: ${systemErrorText(error)}`);
    }
  }

  #note(level: "info" | "warning", text: string): void {
    this.#deps.log.note("bounce", level, text);
  }

  #isDoubleBounce(sender: string): boolean {
    return sender.toLowerCase() === this.#doubleBounce.toLowerCase();
  }

  /** The whole message, unless only headers are wanted or it is too large (RET, bounce_size_limit). */
  #returned(subject: NoticeSubject, headersOnly: boolean): Returned {
    return headersOnly || subject.content.size > this.#deps.settings.bounce_size_limit
      ? "headers"
      : "message";
  }

  /** What came under REQUIRETLS does not go back without (RFC 8689 §5). */
  #isRedacted({ requireTls }: Envelope): boolean {
    const { requiretls_enable, requiretls_redact_dsn } = this.#deps.settings;
    return requireTls === true && requiretls_enable && requiretls_redact_dsn;
  }

  /** What the sender wished about TLS holds for what goes back to it; a redacted notice may go without. */
  #tlsWishes(envelope: Envelope): Pick<Envelope, "requireTls"> {
    const { requiretls_enable } = this.#deps.settings;
    const demanded = envelope.requireTls && requiretls_enable && !this.#isRedacted(envelope);
    return { requireTls: demanded || undefined };
  }

  /** `TLS-Required: no` of the original goes on; REQUIRETLS overrules it. */
  #passesWithoutTls({ tlsNotRequired, requireTls }: Envelope): boolean {
    const { tls_required_enable, requiretls_enable } = this.#deps.settings;
    return tls_required_enable && tlsNotRequired === true && !(requireTls && requiretls_enable);
  }

  async #send(due: Due): Promise<boolean> {
    if (due.entries.length === 0) return true;
    const first = await this.#submit(due);
    if (first.is === "queued") return this.#logged(due, first.id);
    if (first.reply.code < 500 || due.returned === "headers") return this.#refused(due, first);
    // What is too large or too deep as a whole may still pass as headers.
    const second = await this.#submit({ ...due, returned: "headers" });
    return second.is === "queued" ? this.#logged(due, second.id) : this.#refused(due, second);
  }

  #logged(due: Due, notice: QueueId): true {
    const kind = `${due.isCopy ? "postmaster" : "sender"} ${LOGGED[due.kind]}`;
    this.#deps.log.emit("bounce", "notification", { id: due.subject.envelope.id, kind, notice });
    return true;
  }

  #refused(due: Due, refusal: Extract<Committed, { is: "refused" }>): false {
    const why = refusal.reply.lines.join(" ");
    this.#note("warning", `${due.subject.envelope.id}: cannot queue a notice: ${why}`);
    return false;
  }

  async #submit(due: Due): Promise<Committed> {
    const { envelope, content } = due.subject;
    const { cleanup, newId, now, settings } = this.#deps;
    const [id, arrival] = [newId(), now()];
    const { to } = due;
    const printed = printNotice(this.#parts(due, arrival));
    const message = cleanup.begin({
      id,
      arrival,
      sender: due.fromDoubleBounce ? this.#doubleBounce : NULL_ADDRESS,
      recipients: [{ address: to, original: to, notify: 0 }],
      origin: {},
      eightBit: settings.smtputf8_enable || envelope.eightBit === true,
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

  #parts(due: Due, now: number): NoticeParts {
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
}

async function write(message: IncomingMessage, bytes: Uint8Array): Promise<void> {
  const written = message.write(bytes);
  if (isPromise(written)) await written;
}
