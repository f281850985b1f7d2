/** A process that is to answer. */
export interface Watched {
  readonly pid: number | undefined;
  /** Asks for a sign of life. */
  ask(): void;
  kill(): void;
}

/** What the watchdog needs. */
export interface WatchdogOptions {
  /** How long a process may be silent, in milliseconds (worker_timeout). */
  readonly limit: number;
  /** Calls once after so many milliseconds; the answer cancels. */
  readonly after: (milliseconds: number, call: () => void) => () => void;
  readonly watched: () => readonly Watched[];
  /** It has been asked for so many seconds and does not answer; `ended` when it is killed for that. */
  readonly silent: (pid: number | undefined, seconds: number, ended: boolean) => void;
  readonly answersAgain: (pid: number | undefined) => void;
}

/** Questions in the time limit. */
const QUESTIONS = 6;
/** So many questions without an answer are worth a word. */
const WORRY = 2;

/**
 * Notices processes that live and do nothing: stopped, or in an endless loop (watchdog(3)). What counts is questions without an answer,
 * not time that has passed: after a suspension of the whole machine nobody has left one unanswered.
 */
export class Watchdog {
  readonly #options: WatchdogOptions;
  readonly #unanswered = new WeakMap<Watched, number>();
  #cancel: (() => void) | undefined;

  constructor(options: WatchdogOptions) {
    this.#options = options;
  }

  start(): void {
    const { limit, after, watched } = this.#options;
    this.#cancel = after(limit / QUESTIONS, () => {
      for (const each of watched()) this.#look(each);
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  /** A process has given a sign of life. */
  heard(worker: Watched): void {
    const before = this.#unanswered.get(worker) ?? 0;
    this.#unanswered.set(worker, 0);
    if (before > WORRY) this.#options.answersAgain(worker.pid);
  }

  #look(worker: Watched): void {
    const { limit, silent } = this.#options;
    const unanswered = this.#unanswered.get(worker) ?? 0;
    const seconds = Math.round(unanswered * limit / QUESTIONS / 1000);
    if (unanswered >= QUESTIONS) {
      silent(worker.pid, seconds, true);
      return worker.kill();
    }
    if (unanswered === WORRY) silent(worker.pid, seconds, false);
    this.#unanswered.set(worker, unanswered + 1);
    worker.ask();
  }
}
