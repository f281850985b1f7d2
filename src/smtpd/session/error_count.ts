import type { SessionSettings } from "../session_settings.ts";
import { Statistics } from "../statistics.ts";
import type { Step } from "../step.ts";

/** What a session has done, good and bad. Small until the first command comes. */
export class ErrorCount {
  readonly #settings: SessionSettings;
  #errors = 0;
  #junk = 0;
  #statistics: Statistics | undefined;

  constructor(settings: SessionSettings) {
    this.#settings = settings;
  }

  /** Clients that make errors wait for every answer (smtpd_soft_error_limit, smtpd_error_sleep_time). */
  get isSlow(): boolean {
    const { softErrorLimit, errorSleep } = this.#settings;
    return errorSleep > 0 && this.#errors >= softErrorLimit;
  }

  /** smtpd_hard_error_limit. */
  get isTooMuch(): boolean {
    return this.#errors >= this.#settings.hardErrorLimit;
  }

  /** What counts before the reply is said. */
  before({ counts }: Step): void {
    if (counts === "slip") this.#errors++;
    if (counts === "delivered") this.#errors = this.#junk = 0;
  }

  /** What counts once it is said. */
  after({ counts, counted, junk }: Step): void {
    if (counted !== undefined) this.#remember(counts, counted);
    if (counts === "bad" || counts === "failed") this.#errors++;
    // The count is checked before it grows, as Postfix does.
    if (junk && this.#junk++ > this.#settings.junkLimit) this.#errors++;
  }

  #remember(counts: Step["counts"], counted: NonNullable<Step["counted"]>): void {
    this.#statistics ??= new Statistics();
    if (counts === "done" || counts === "delivered") this.#statistics.succeed(counted);
    else if (counts !== "failed") this.#statistics.count(counted, counts === "good");
  }

  /** `ehlo=1 auth=1/6 mail=1 commands=3/8`. */
  text(): string {
    return (this.#statistics ?? new Statistics()).text();
  }
}
