/**
 * smtpd_per_request_deadline: a whole command must come within smtpd_timeout; in a message every byte buys time at
 * smtpd_min_data_rate. Silence is the idle limit's business, so it is enough to look when bytes come. Times are milliseconds.
 */
export class RequestDeadline {
  readonly #timeout: number;
  /** Bytes a second. */
  readonly #minDataRate: number;
  /** When the request under way must be complete. */
  #at: number | undefined;

  constructor(timeout: number, minDataRate: number) {
    this.#timeout = timeout;
    this.#minDataRate = minDataRate;
  }

  /** Whether these bytes come too late; `begins`: they are the first of a command. */
  isLate(bytes: number, now: number, begins: boolean, inContent: boolean): boolean {
    if (this.#at === undefined || begins) this.#at = now + this.#timeout;
    if (now > this.#at) return true;
    if (inContent) this.#at = Math.min(now + this.#timeout, this.#at + bytes / this.#minDataRate * 1000);
    return false;
  }
}
