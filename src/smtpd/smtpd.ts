import { onAbort } from "../base/ending.ts";
import type { Connection, ConnectionHandler } from "../platform/socket/connection.ts";
import { defer, printReply } from "../smtp/reply.ts";
import { COMMANDS, type CommandTable } from "./session/commands.ts";
import type { SmtpdDeps } from "./deps.ts";
import { SlotReclaimer } from "./session/slot_reclaimer.ts";
import { Session, type SessionOwner } from "./session/smtpd_session.ts";
import { readSessionSettings, type SessionSettings } from "./session_settings.ts";

/** An smtpd service: what a listener's connections go to. */
export interface Smtpd {
  /** Takes a connection; past the process limit it waits for a slot, as in Postfix's backlog. */
  accept(connection: Connection): ConnectionHandler;
  /**
   * Takes no new mail: sessions end with 421 after the message under way, waiting and new ones at once, or after the handshake that has
   * to come first; in a hurry also open transactions.
   */
  stop(hurry: AbortSignal): void;
  /** Resolves when the last session is over. */
  drained(): Promise<void>;
  readonly sessions: number;
  readonly waiting: number;
}

// How many connections may wait for a slot; Postfix's counterpart is the listen backlog.
const WAITING_ROOM = 1_000;

/** The sessions of one service, and those that wait to become one. */
class SmtpdService implements Smtpd, SessionOwner {
  readonly deps: SmtpdDeps;
  readonly commands: CommandTable;
  stopping = false;
  hurrying = false;
  readonly #calm: SessionSettings;
  readonly #stressed: SessionSettings;
  readonly #limit: number;
  readonly #room: SlotReclaimer<Session>;
  readonly #sessions = new Set<Session>();
  /** Insertion order is the order of arrival. */
  readonly #waiting = new Set<Session>();
  readonly #drained: (() => void)[] = [];

  constructor(deps: SmtpdDeps, commands: CommandTable) {
    this.deps = deps;
    this.commands = commands;
    this.#calm = readSessionSettings(deps.service);
    this.#stressed = deps.stressed === undefined ? this.#calm : readSessionSettings(deps.stressed);
    this.#limit = deps.service.processLimit > 0 ? deps.service.processLimit : Infinity;
    this.#room = new SlotReclaimer({
      sessions: this.#sessions,
      isWanted: () => this.#waiting.size > 0,
      timeLimit: this.#stressed.timeout,
      clock: deps.clock,
    });
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
    if (this.stopping) this.#sendAway(session);
    else if (full && this.#waiting.size >= WAITING_ROOM) this.#turnAway(connection);
    else if (full) this.#wait(session);
    else this.#begin(session);
    return session;
  }

  /** Nobody is waited for: whoever sends connections by the thousand is not to keep their descriptors. */
  #turnAway(connection: Connection): void {
    const { myhostname, tls: { wrapper } } = this.#calm;
    if (!wrapper) {
      connection.write(printReply(defer(421, "4.3.2", `${myhostname} All server ports are busy`)));
      this.deps.replied?.(421);
    }
    connection.destroy();
  }

  /** A session that has not begun ends as the service does: who can be told only after a handshake gets that far. */
  #sendAway(session: Session): void {
    if (this.hurrying || !session.isUnheard) return session.retire();
    this.#waiting.delete(session);
    this.#begin(session);
  }

  #wait(session: Session): void {
    this.#waiting.add(session);
    this.#room.wanted();
  }

  #begin(session: Session): void {
    this.#sessions.add(session);
    // The caller binds the handler first.
    queueMicrotask(() => session.start());
  }

  spare(): void {
    if (this.#waiting.size > 0) this.#room.wanted();
  }

  leave(session: Session): void {
    this.#waiting.delete(session);
    if (!this.#sessions.delete(session)) return;
    const { facts: { countedAs }, settings: { service } } = session;
    if (countedAs !== undefined) this.deps.anvil?.disconnect(service, countedAs);
    const [next] = this.#waiting;
    if (next !== undefined) {
      this.#waiting.delete(next);
      this.#begin(next);
    }
    if (this.#sessions.size === 0) { for (const tell of this.#drained.splice(0)) tell(); }
  }

  stop(hurry: AbortSignal): void {
    this.stopping = true;
    this.#retire();
    onAbort(hurry, () => {
      this.hurrying = true;
      this.#retire();
    });
  }

  #retire(): void {
    for (const session of this.#waiting) this.#sendAway(session);
    for (const session of this.#sessions) session.retire();
  }

  drained(): Promise<void> {
    if (this.#sessions.size === 0) return Promise.resolve();
    return new Promise((resolve) => void this.#drained.push(resolve));
  }

  fault(error: unknown): void {
    this.deps.log.note("smtpd", "error", `session failed: ${error instanceof Error ? error.message : error}`);
  }
}

/** Builds the smtpd of one line of master.cf. */
export function createSmtpd(deps: SmtpdDeps, commands: CommandTable = COMMANDS): Smtpd {
  return new SmtpdService(deps, commands);
}
