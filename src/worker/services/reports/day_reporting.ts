import type { Address } from "../../../address/address.ts";
import { NULL_ADDRESS } from "../../../address/address.ts";
import { systemClock } from "../../../base/clock.ts";
import type { ParameterName } from "../../../config/parameters/settings_type.ts";
import { ToldLately } from "../../../delivery/smtp/tls/told_lately.ts";
import type { Program } from "../../../observe/event.ts";
import { internalReceived } from "../../../message/received.ts";
import { CountStore } from "../../../platform/database/count_store.ts";
import { type DailyReports, sendDailyReports } from "../../../platform/database/daily_reports.ts";
import { DayCounts } from "../../../platform/database/day_counts.ts";
import { RecordStoreFault } from "../../../platform/database/record_store.ts";
import { every } from "../../../platform/timer.ts";
import { NOTIFY } from "../../../queue/envelope.ts";
import { replyText } from "../../../smtp/reply.ts";
import type { AssemblyContext } from "../../assembly.ts";
import { cleanupFor } from "../cleanup_services.ts";
import type { MailWorld } from "../mail_world.ts";

/** The parameters that all daily reports need. */
export const DAY_REPORTING_PARAMETERS = [
  "data_directory",
  "mail_name",
  "myhostname",
] as const satisfies readonly ParameterName[];

/** How often counts are written down, and one worker looks for reports that are due, in milliseconds. */
const ROUND = 5000;
/** Domains times days, different things counted of one of them, and of all, that are kept. */
const LIMITS = { groups: 20_000, keysOfGroup: 200, keys: 100_000 };

/** Different things that are written down in one transaction: some milliseconds. */
const PIECE = 100;

const pause = () => new Promise<void>((resolve) => setImmediate(resolve));

/** What daily reports are made of. */
export interface DayReportingParts {
  readonly context: AssemblyContext;
  readonly world: MailWorld;
}

/** One kind of daily reports. */
export interface ReportKind {
  /** `TLS report`, as log lines begin. */
  readonly kind: string;
  /** Whose log lines they are. */
  readonly program: Program;
  /** The file's name in data_directory. */
  readonly file: string;
  readonly limits?: { readonly groups: number; readonly keysOfGroup: number; readonly keys: number };
  readonly prepare: (reporting: DayReporting) => DailyReports["prepare"];
}

/** Counts by day and domain in all workers, kept in one file until one worker has reported them. */
export class DayReporting {
  readonly #parts: DayReportingParts;
  readonly #kind: ReportKind;
  readonly #counts = new DayCounts(() => systemClock.now());
  readonly #stop: () => void;
  #store: CountStore | undefined;
  #sending = false;
  #flushing = false;
  #isOver = false;
  readonly #lately = new ToldLately(() => performance.now());

  constructor(parts: DayReportingParts, kind: ReportKind) {
    this.#parts = parts;
    this.#kind = kind;
    this.#stop = every(ROUND, () => {
      void this.#flushInPieces();
      if (parts.context.index === 0) void this.#send();
    });
  }

  /** One more of `key` for a domain. Never fails. */
  count(domain: string, key: string): void {
    this.#counts.add(domain, key);
  }

  /** Writes down what is not yet. */
  close(): void {
    this.#isOver = true;
    this.#stop();
    this.#flush();
    this.#store?.close();
    this.#store = undefined;
  }

  /** Puts a report into the queue. Nobody is told when it cannot be delivered: it has no sender, as notices, or asks for no notice. */
  async mail(content: string, to: Address, sender: Address = NULL_ADDRESS): Promise<void> {
    const { context } = this.#parts;
    const { settings } = context.configuration;
    const cleanup = cleanupFor(settings, this.#parts);
    const [id, arrival] = [context.store.newId(), systemClock.now()];
    const message = cleanup.begin({
      id,
      arrival,
      sender,
      recipients: [{ address: to, original: to, notify: NOTIFY.never }],
      origin: {},
      kind: "notify",
      prepend: [internalReceived(settings, id, arrival)],
      completeHeaders: true,
    });
    await message.write(Buffer.from(content));
    const committed = await message.commit();
    if (committed.is === "refused") throw new Error(`cannot be queued: ${replyText(committed.reply)}`);
  }

  note(level: "info" | "warning", text: string): void {
    const { configuration: { settings }, logFor } = this.#parts.context;
    logFor(settings).note(this.#kind.program, level, text);
  }

  /** Others get their turn between the pieces. */
  async #flushInPieces(): Promise<void> {
    if (this.#flushing) return;
    this.#flushing = true;
    while (this.#flush(PIECE) && this.#counts.waiting > 0 && !this.#isOver) await pause();
    this.#flushing = false;
  }

  /** Whether the file could be written. */
  #flush(most?: number): boolean {
    const lost = this.#using((store) => this.#counts.flush(store, most));
    if (lost !== undefined && lost > 0) {
      this.note("warning", `${this.#kind.kind}s: no room for ${lost} outcomes`);
    }
    return lost !== undefined;
  }

  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      await this.#using((store) => this.#sendFrom(store));
    } catch (error) {
      if (!(error instanceof RecordStoreFault)) throw error;
      this.#trouble(error);
    } finally {
      this.#sending = false;
    }
  }

  #sendFrom(store: CountStore): Promise<void> {
    return sendDailyReports({
      kind: this.#kind.kind,
      submitter: this.#parts.context.configuration.settings.myhostname,
      store,
      prepare: this.#kind.prepare(this),
      now: () => systemClock.now(),
      isOver: () => this.#isOver,
      note: (level, text) => this.note(level, text),
    });
  }

  #using<T>(work: (store: CountStore) => T): T | undefined {
    try {
      const path = `${this.#parts.context.configuration.settings.data_directory}/${this.#kind.file}`;
      return work(this.#store ??= new CountStore(path, this.#kind.limits ?? LIMITS));
    } catch (error) {
      if (!(error instanceof RecordStoreFault)) throw error;
      this.#trouble(error);
      return undefined;
    }
  }

  /** A disk that cannot be used is told now and then. */
  #trouble({ message }: RecordStoreFault): void {
    if (this.#isOver) return;
    for (const text of this.#lately.news([`${this.#kind.kind}s: ${message}`])) this.note("warning", text);
  }
}
