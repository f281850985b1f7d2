import type { Address } from "../../address/address.ts";
import { NULL_ADDRESS } from "../../address/address.ts";
import { systemClock } from "../../base/clock.ts";
import type { Cleanup } from "../../cleanup/cleanup.ts";
import type { ParameterName } from "../../config/parameters/settings_type.ts";
import { internalReceived } from "../../message/received.ts";
import { CountStore } from "../../platform/database/count_store.ts";
import { RecordStoreFault } from "../../platform/database/record_store.ts";
import { every } from "../../platform/timer.ts";
import { NOTIFY } from "../../queue/envelope.ts";
import { replyText } from "../../smtp/reply.ts";
import type { AskHttps } from "../../tls/sts/fetch_policy.ts";
import { OutcomeCounts } from "../../tls/tlsrpt/outcome_counts.ts";
import { sendReports } from "../../tls/tlsrpt/report_sender.ts";
import type { TlsReporting } from "../../tls/tlsrpt/tls_reporting.ts";
import type { TlsOutcome } from "../../tls/tlsrpt/tls_outcome.ts";
import { reportUris } from "../../tls/tlsrpt/tlsrpt_record.ts";
import type { AssemblyContext } from "../assembly.ts";
import { ToldLately } from "../../delivery/smtp/tls/told_lately.ts";
import { cleanupFor } from "./cleanup_services.ts";
import type { MailWorld } from "./mail_world.ts";

/** The parameters of reports about TLS. */
export const TLS_REPORT_PARAMETERS = [
  "data_directory",
  "mail_name",
  "myhostname",
  "smtp_tlsrpt_enable",
  "tlsrpt_contact",
  "tlsrpt_organization",
] as const satisfies readonly ParameterName[];

/** What is counted, and kept until it is reported. */
export interface TlsReports extends TlsReporting {
  /** Writes down what is not yet. */
  close(): void;
}

/** How often counts are written down, and one worker looks for reports that are due, in milliseconds. */
const ROUND = 5000;
/** Domains times days, different outcomes of one of them, and of all, that are kept. */
const LIMITS = { groups: 20_000, keysOfGroup: 200, keys: 100_000 };

interface Parts {
  readonly context: AssemblyContext;
  readonly world: MailWorld;
  readonly ask: () => AskHttps;
}

/** Opens it; undefined where no client has smtp_tlsrpt_enable. */
export function openTlsReports(parts: Parts): TlsReports | undefined {
  const { services } = parts.context.configuration;
  const isWanted = services.some(({ program, settings }) =>
    program === "smtp" && settings.smtp_tlsrpt_enable
  );
  return isWanted ? new Reports(parts) : undefined;
}

class Reports implements TlsReports {
  readonly #parts: Parts;
  readonly #counts = new OutcomeCounts(() => systemClock.now());
  readonly #stop: () => void;
  #store: CountStore | undefined;
  #sending = false;
  #isOver = false;
  readonly #lately = new ToldLately(() => performance.now());

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#stop = every(ROUND, () => {
      this.#flush();
      if (parts.context.index === 0) void this.#send();
    });
  }

  async wanted(domain: string): Promise<boolean> {
    const answer = await this.#parts.world.resolver.txt(`_smtp._tls.${domain}`);
    const uris = answer.is === "records" ? reportUris(answer.records.map(({ text }) => text)) : undefined;
    return uris !== undefined && uris.length > 0;
  }

  count(domain: string, outcome: TlsOutcome): void {
    this.#counts.add(domain, outcome);
  }

  close(): void {
    this.#isOver = true;
    this.#stop();
    this.#flush();
    this.#store?.close();
    this.#store = undefined;
  }

  #flush(): void {
    this.#using((store) => {
      const lost = this.#counts.flush(store);
      if (lost > 0) this.#note("warning", `TLS reports: no room for ${lost} outcomes of sessions`);
    });
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

  async #sendFrom(store: CountStore): Promise<void> {
    const { context: { configuration: { settings } }, world, ask } = this.#parts;
    await sendReports({
      store,
      resolver: world.resolver,
      reporter: {
        organization: settings.tlsrpt_organization,
        contact: settings.tlsrpt_contact,
        submitter: settings.myhostname,
      },
      mail: (content, to) => this.#mail(content, to),
      ask: (request) => ask()(request),
      now: () => systemClock.now(),
      isOver: () => this.#isOver,
      note: (level, text) => this.#note(level, text),
    });
  }

  /** Reports bounce to nobody: like notices they have no sender (RFC 3834 §3.3). */
  async #mail(content: string, to: Address): Promise<void> {
    const { context } = this.#parts;
    const { settings } = context.configuration;
    const cleanup: Cleanup = cleanupFor(settings, this.#parts);
    const [id, arrival] = [context.store.newId(), systemClock.now()];
    const message = cleanup.begin({
      id,
      arrival,
      sender: NULL_ADDRESS,
      recipients: [{ address: to, original: to, notify: NOTIFY.never }],
      origin: {},
      kind: "mail",
      prepend: [internalReceived(settings, id, arrival)],
      completeHeaders: true,
    });
    await message.write(Buffer.from(content));
    const committed = await message.commit();
    if (committed.is === "refused") throw new Error(`cannot be queued: ${replyText(committed.reply)}`);
  }

  #using<T>(work: (store: CountStore) => T): T | undefined {
    try {
      const path = `${this.#parts.context.configuration.settings.data_directory}/tlsrpt.sqlite`;
      return work(this.#store ??= new CountStore(path, LIMITS));
    } catch (error) {
      if (!(error instanceof RecordStoreFault)) throw error;
      this.#trouble(error);
      return undefined;
    }
  }

  /** A disk that cannot be used is told now and then. */
  #trouble({ message }: RecordStoreFault): void {
    if (this.#isOver) return;
    for (const text of this.#lately.news([`TLS reports: ${message}`])) this.#note("warning", text);
  }

  #note(level: "info" | "warning", text: string): void {
    const { configuration: { settings }, logFor } = this.#parts.context;
    logFor(settings).note("smtp", level, text);
  }
}
