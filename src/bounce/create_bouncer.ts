import { type Address, internalAddress } from "../address/address.ts";
import { verpSender } from "../address/verp.ts";
import { splitList } from "../config/syntax/list.ts";
import { systemErrorText } from "../platform/system_error.ts";
import { memberOf, NOTIFY } from "../queue/envelope.ts";
import type { Bouncer, NoticeSubject, ReportedRecipient } from "./bouncer.ts";
import type { Returned } from "./notice.ts";
import { type BounceDeps, type DueNotice, isRedacted, NoticeSender } from "./notice_sender.ts";

/** What the log says of a postmaster's copy that could not be queued. */
const COPY_OF = { failure: "bouncing to", delay: "warning" } as const;

type Entries = readonly ReportedRecipient[];

/** Whom one of the notices is for: who did not say, or asked for it (RFC 3461 §4.1). */
const wantedBy = (bit: number) => ({ recipient: { notify } }: ReportedRecipient) =>
  notify === 0 || (notify & bit) !== 0;

/** Builds the service that tells senders and postmasters (bounce(8)). */
export function createBouncer(deps: BounceDeps): Bouncer {
  return new NoticeRules(deps);
}

class NoticeRules implements Bouncer {
  readonly #deps: BounceDeps;
  readonly #sender: NoticeSender;
  readonly #classes: ReadonlySet<string>;

  constructor(deps: BounceDeps) {
    this.#deps = deps;
    this.#sender = new NoticeSender(deps);
    this.#classes = new Set(splitList(deps.settings.notify_classes));
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
    const returned = this.#returned(
      subject,
      envelope.ret === "HDRS" || isRedacted(envelope, this.#deps.settings),
    );
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
    return await this.#sender.send({ subject, entries, kind: "failure", ...whom, returned });
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
      return await this.#sender.send({ ...due, to, fromDoubleBounce: true });
    }
    const what = sender === "" ? "single-bounce" : "double-bounce";
    this.#note("info", `${id}: not sending trace/success notification for ${what} message`);
    return true;
  }

  async #tellSender(due: Omit<DueNotice, "fromDoubleBounce" | "isCopy">): Promise<boolean> {
    return await this.#sender.send({ ...due, fromDoubleBounce: false, isCopy: false });
  }

  /** Who is to be told has been: a copy that cannot be queued does not make that come again. */
  async #copy(
    due: Pick<DueNotice, "subject" | "entries" | "to"> & { readonly kind: "failure" | "delay" },
    postmaster: string,
  ): Promise<void> {
    const copy = { fromDoubleBounce: true, isCopy: true, returned: "headers" } as const;
    const failed = (why: string) => {
      const what = `postmaster notice failed while ${COPY_OF[due.kind]} ${due.to}`;
      this.#note("warning", `${due.subject.envelope.id}: ${what}${why}`);
    };
    try {
      if (!await this.#sender.send({ ...due, ...copy, to: internalAddress(postmaster) })) failed("");
    } catch (error) {
      failed(`: ${systemErrorText(error)}`);
    }
  }

  #note(level: "info" | "warning", text: string): void {
    this.#deps.log.note("bounce", level, text);
  }

  #isDoubleBounce(sender: string): boolean {
    return sender.toLowerCase() === this.#sender.doubleBounce.toLowerCase();
  }

  /** The whole message, unless only headers are wanted or it is too large (RET, bounce_size_limit). */
  #returned(subject: NoticeSubject, headersOnly: boolean): Returned {
    return headersOnly || subject.content.size > this.#deps.settings.bounce_size_limit
      ? "headers"
      : "message";
  }
}
