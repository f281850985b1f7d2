import { type Address, internalAddress } from "../address/address.ts";
import { isPromise } from "../base/maybe_async.ts";
import { printable } from "../base/printable.ts";
import { wrapLine } from "../base/wrap.ts";
import type { Cleanup, Committed } from "../cleanup/cleanup.ts";
import type { ParameterName, SettingsOf } from "../config/parameters/settings_type.ts";
import { splitList } from "../config/syntax/list.ts";
import { mailDate } from "../message/date.ts";
import { internalReceived } from "../message/received.ts";
import type { Log } from "../observe/log.ts";
import type { Program } from "../observe/event.ts";
import { systemErrorText } from "../platform/system_error.ts";
import type { QueueId } from "../queue/envelope.ts";
import { errorClassesIn } from "../smtp/error_class.ts";
import type { SessionNotice, SessionPostmaster } from "../smtp/session_notice.ts";
import { doubleBounceAddress } from "./double_bounce.ts";

/** The parameters of notices about sessions. */
export const SESSION_NOTICE_PARAMETERS = [
  "bounce_notice_recipient",
  "double_bounce_sender",
  "error_notice_recipient",
  "header_from_format",
  "mail_name",
  "myhostname",
  "myorigin",
  "notify_classes",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type SessionNoticeSettings = SettingsOf<typeof SESSION_NOTICE_PARAMETERS>;

/** What they are sent with. */
export interface SessionNoticeDeps {
  readonly program: Program;
  readonly cleanup: Cleanup;
  readonly newId: () => QueueId;
  readonly now: () => number;
  readonly log: Log;
  readonly settings: SessionNoticeSettings;
}

/** Notices on their way into the queue at a time: whoever makes trouble by the thousand does not fill the memory. */
const MOST_PENDING = 100;

const WIDTH = 78;
const INDENT = 4;

/** Sends them, as junk mail that nobody is told of when it fails in turn (smtpd_chat(3), smtp_chat(3)). */
export class SessionNotices implements SessionPostmaster {
  readonly wanted: SessionPostmaster["wanted"];
  readonly #deps: SessionNoticeDeps;
  readonly #pending = new Set<Promise<void>>();

  constructor(deps: SessionNoticeDeps) {
    this.#deps = deps;
    this.wanted = errorClassesIn(splitList(deps.settings.notify_classes));
  }

  isNotice(sender: string): boolean {
    return sender === "" || sender === doubleBounceAddress(this.#deps.settings);
  }

  tell(notice: SessionNotice): void {
    if (this.#pending.size >= MOST_PENDING) {
      return this.#failed(notice, `${MOST_PENDING} others are under way`);
    }
    const sending = this.#send(notice).catch((error) => this.#failed(notice, systemErrorText(error)))
      .finally(() => void this.#pending.delete(sending));
    this.#pending.add(sending);
  }

  /** Resolves when all that were begun are in the queue. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
  }

  #failed({ role, peer }: SessionNotice, why: string): void {
    this.#deps.log.note(
      this.#deps.program,
      "warning",
      `postmaster notify: ${role}: errors from ${peer}: ${why}`,
    );
  }

  async #send(notice: SessionNotice): Promise<void> {
    const committed = await this.#submit(notice);
    if (committed.is === "refused") this.#failed(notice, committed.reply.lines.join(" "));
  }

  async #submit(notice: SessionNotice): Promise<Committed> {
    const { cleanup, newId, now, settings } = this.#deps;
    const [id, arrival, to] = [newId(), now(), this.#recipient(notice)];
    const message = cleanup.begin({
      id,
      arrival,
      sender: doubleBounceAddress(settings),
      recipients: [{ address: to, original: to, notify: 0 }],
      origin: {},
      kind: "notify",
      prepend: [internalReceived(settings, id, arrival)],
      completeHeaders: true,
    });
    try {
      const written = message.write(Buffer.from(printSessionNotice(notice, settings, arrival)));
      if (isPromise(written)) await written;
      return await message.commit();
    } catch (error) {
      message.abort();
      throw error;
    }
  }

  #recipient({ classes }: SessionNotice): Address {
    const { bounce_notice_recipient, error_notice_recipient } = this.#deps.settings;
    return internalAddress(classes.has("bounce") ? bounce_notice_recipient : error_notice_recipient);
  }
}

/** The notice in wire form. What others have said stands behind a blank, and has no control characters. */
function printSessionNotice(notice: SessionNotice, settings: SessionNoticeSettings, now: number): string {
  const { mail_name, error_notice_recipient: to, myorigin, myhostname, header_from_format } = settings;
  const daemon = `MAILER-DAEMON@${myhostname}`;
  const postmaster = to.includes("@") ? to : `${to}@${myorigin}`;
  const named = (name: string, address: string) =>
    header_from_format === "obsolete" ? `${address} (${name})` : `${name} <${address}>`;
  const said = notice.lines.flatMap((line) => wrapLine(shown(line), WIDTH, INDENT));
  return [
    `Date: ${mailDate(now)}`,
    `From: ${named("Mail Delivery System", daemon)}`,
    `To: ${named("Postmaster", postmaster)}`,
    `Subject: ${mail_name} ${notice.role}: errors from ${printable(notice.peer)}`,
    "",
    ...notice.role === "SMTP server" ? [] : [`Unexpected response from ${printable(notice.peer)}.`, ""],
    "Transcript of session follows.",
    "",
    ...said.map((line) => ` ${line}`),
    "",
    ...notice.role === "SMTP server" ? serverEnd(notice) : [],
    "For other details, see the local mail logfile",
    "",
  ].join("\r\n");
}

/** What stands for a byte that belongs to no character is shown as Postfix shows it. */
const shown = (line: string) => printable(line).replaceAll("\ufffd", "?");

const serverEnd = ({ reason }: SessionNotice) =>
  reason === undefined ? [""] : [`Session aborted, reason: ${reason}`, ""];
