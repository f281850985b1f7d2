import type { InputCount } from "../../platform/socket/input_count.ts";

/** What a gathering looks at. */
export type Input = Pick<InputCount, "seen" | "speakers" | "countAnew">;

/** No input: whoever gathers is alone. */
export const NO_INPUT: Input = { seen: 0, speakers: 0, countAnew: () => {} };

/** What a gathering needs. */
export interface GatheringOptions {
  readonly input: Input;
  readonly now: () => number;
  readonly after: (milliseconds: number, call: () => void) => () => void;
  /** Longest time that it takes while there is input to work on, in milliseconds. */
  readonly longest: number;
}

/** Who spoke longer ago than this, in milliseconds, is no company. */
const RECENT = 10;
/** With so many others at work it is likely that one of them ends its message in a moment. */
const COMPANY = 4;
/** The moment, in milliseconds. */
const MOMENT = 1;
/** So many messages are worth a sync of their own. */
const ENOUGH = 8;

/** The time before a sync in which messages come together that can share it. */
export class Gathering {
  readonly #options: GatheringOptions;
  #ended = -Infinity;
  #quiet = false;

  constructor(options: GatheringOptions) {
    this.#options = options;
  }

  /** Whether no input came while the last batch gathered. */
  get quiet(): boolean {
    return this.#quiet;
  }

  /**
   * Waits for company: as long as each turn of the event loop brings input there may be more messages on their way, and one
   * sync for all costs less than the turns. Where a turn brings none, but others have been at work since the last batch, it waits a
   * moment once, since several workers on few processors have many such turns. On an idle server all that is one turn.
   * `asking`: how many messages wait for an answer.
   */
  async wait(asking: () => number): Promise<void> {
    const { input, now, longest } = this.#options;
    const [started, first] = [now(), input.seen];
    if (started - this.#ended > RECENT) input.countAnew();
    for (let before = first, hasRested = false;; before = input.seen) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#quiet = input.seen === first;
      if (now() - started >= longest) break;
      if (input.seen !== before) continue;
      if (hasRested || !this.#hasCompany(asking())) break;
      hasRested = true;
      await new Promise<void>((resolve) => void this.#options.after(MOMENT, resolve));
    }
    input.countAnew();
    this.#ended = now();
  }

  #hasCompany(asking: number): boolean {
    return asking > 0 && asking < ENOUGH && this.#options.input.speakers - asking >= COMPANY;
  }
}
