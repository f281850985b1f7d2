import type { MoveEffect } from "../../queue/store.ts";
import type { MoveStep } from "../../queue/move_shapes.ts";

/** What postsuper(1) says at the end, in its order. */
const SUMMARY: readonly (readonly [effect: MoveEffect, words: string])[] = [
  ["requeued", "Requeued"],
  ["deleted", "Deleted"],
  ["expired", "Force-expired"],
  ["held", "Placed on hold"],
  ["released", "Released from hold"],
];

/** What the moves of a command have come to. */
export class MoveReport {
  readonly #counts = new Map<MoveEffect, number>();

  /** Something of that kind was asked for: it is told, though it may come to nothing. */
  expect(effects: readonly MoveEffect[]): void {
    for (const effect of effects) this.#counts.set(effect, this.#counts.get(effect) ?? 0);
  }

  add({ counts }: MoveStep): void {
    for (const [effect] of SUMMARY) {
      const count = counts[effect];
      if (count !== undefined) this.#counts.set(effect, (this.#counts.get(effect) ?? 0) + count);
    }
  }

  get changes(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** The last lines. */
  lines(): string[] {
    return SUMMARY.flatMap(([effect, words]) => {
      const count = this.#counts.get(effect);
      return count === undefined ? [] : [`${words}: ${count} message${count === 1 ? "" : "s"}`];
    });
  }

  /** The same for programs. */
  json(): Record<string, number> {
    return Object.fromEntries(
      SUMMARY.flatMap(([effect]) => {
        const count = this.#counts.get(effect);
        return count === undefined ? [] : [[effect, count]];
      }),
    );
  }
}

/** How long a move may take without a word, and how often it says a new one, in milliseconds. */
const [PATIENCE, EVERY] = [1000, 250];

/** Tells a person at a terminal how far a long move is, on one line that is gone at the end. */
export class MoveProgress {
  readonly #now: () => number;
  /** Undefined where nobody looks. */
  readonly #write: ((text: string) => void) | undefined;
  readonly #began: number;
  #said: number;
  #width = 0;

  constructor(now: () => number, write: ((text: string) => void) | undefined) {
    this.#now = now;
    this.#write = write;
    this.#began = this.#said = now();
  }

  moved(count: number): void {
    const now = this.#now();
    if (this.#write === undefined || now - this.#began < PATIENCE || now - this.#said < EVERY) return;
    this.#said = now;
    const rate = Math.round(count / ((now - this.#began) / 1000)).toLocaleString("en");
    const line = `postsuper: ${count.toLocaleString("en")} messages, ${rate}/s`;
    this.#write(`\r${line.padEnd(this.#width)}`);
    this.#width = line.length;
  }

  /** Takes the line off the screen, before something else is written there. */
  clear(): void {
    if (this.#width > 0) this.#write?.(`\r${" ".repeat(this.#width)}\r`);
    this.#width = 0;
  }
}
