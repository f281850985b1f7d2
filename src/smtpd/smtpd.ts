import type { Connection, ConnectionHandler } from "../platform/socket/connection.ts";
import { type Reply, replyText } from "../smtp/reply.ts";
import { transactionOf } from "./phase.ts";
import type { SmtpdDeps } from "./deps.ts";
import { envelopeText, type Subject } from "./facts.ts";
import type { House } from "./smtpd_service.ts";
import { Session } from "./smtpd_session.ts";
import { readSessionSettings, type SessionSettings } from "./session_settings.ts";

/** An smtpd service: what a listener's connections go to. */
export interface Smtpd {
  /** Takes a connection; past the process limit it waits for a slot, as in Postfix's backlog. */
  accept(connection: Connection): ConnectionHandler;
  /** Takes no new mail: sessions end with 421 after the message under way, waiting ones at once. */
  stop(): void;
  /** Resolves when the last session is over. */
  drained(): Promise<void>;
  readonly sessions: number;
  readonly waiting: number;
}

// How many connections may wait for a slot; Postfix's counterpart is the listen backlog.
const WAITING_ROOM = 1_000;

/** The sessions of one service, and those that wait to become one. */
class SmtpdService implements Smtpd, House {
  readonly deps: SmtpdDeps;
  stopping = false;
  readonly #calm: SessionSettings;
  readonly #stressed: SessionSettings;
  readonly #limit: number;
  readonly #sessions = new Set<Session>();
  /** Insertion order is the order of arrival. */
  readonly #waiting = new Set<Session>();
  readonly #drained: (() => void)[] = [];

  constructor(deps: SmtpdDeps) {
    this.deps = deps;
    this.#calm = readSessionSettings(deps.service);
    this.#stressed = deps.stressed === undefined ? this.#calm : readSessionSettings(deps.stressed);
    this.#limit = deps.service.processLimit > 0 ? deps.service.processLimit : Infinity;
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  accept(connection: Connection): ConnectionHandler {
    const full = this.#sessions.size >= this.#limit;
    // Postfix's master tells smtpd to be strict once the last free process is taken.
    const last = this.#sessions.size + 1 >= this.#limit;
    const session = new Session(this, connection, last ? this.#stressed : this.#calm);
    if (this.stopping || (full && this.#waiting.size >= WAITING_ROOM)) connection.destroy();
    else if (full) this.#waiting.add(session);
    else this.#begin(session);
    return session;
  }

  #begin(session: Session): void {
    this.#sessions.add(session);
    // The caller binds the handler first.
    queueMicrotask(() => session.start());
  }

  leave(session: Session): void {
    this.#waiting.delete(session);
    if (!this.#sessions.delete(session)) return;
    const { countedAs, settings } = session;
    if (countedAs !== undefined) this.deps.anvil?.disconnect(settings.service, countedAs);
    const [next] = this.#waiting;
    if (next !== undefined) {
      this.#waiting.delete(next);
      this.#begin(next);
    }
    if (this.#sessions.size === 0) { for (const tell of this.#drained.splice(0)) tell(); }
  }

  stop(): void {
    this.stopping = true;
    for (const session of this.#waiting) session.retire();
    for (const session of this.#sessions) session.retire();
  }

  drained(): Promise<void> {
    if (this.#sessions.size === 0) return Promise.resolve();
    return new Promise((resolve) => void this.#drained.push(resolve));
  }

  logReject(session: Session, stage: string, text: string, subject: Subject = {}): void {
    this.logNote(session, "reject", stage, text, subject);
  }

  logNote(session: Session, verb: string, stage: string, text: string, subject: Subject = {}): void {
    this.deps.log.emit("smtpd", "reject", {
      id: transactionOf(session.phase)?.id ?? "NOQUEUE",
      verb,
      stage,
      client: session.clientText,
      text,
      envelope: envelopeText(session, subject),
    });
  }

  logDataFault(session: Session, warning: string, reply: Reply): void {
    const { log } = this.deps;
    log.note("smtpd", "warning", warning);
    const id = transactionOf(session.phase)?.id ?? "NOQUEUE";
    const text = `${id}: reject: ${session.where} from ${session.clientText}: ${replyText(reply)}`;
    log.note("smtpd", "info", text);
  }

  fault(error: unknown): void {
    this.deps.log.note("smtpd", "error", `session failed: ${error instanceof Error ? error.message : error}`);
  }
}

/** Builds the smtpd of one line of master.cf. */
export function createSmtpd(deps: SmtpdDeps): Smtpd {
  return new SmtpdService(deps);
}
