import { printable } from "../../base/printable.ts";
/** How a sheet looks. */
export interface SheetStyle {
  /** ANSI colours: for terminals only. */
  readonly colour: boolean;
}

/** What a text means, for those who see colours; the words say it too. */
export type Tone = "plain" | "strong" | "good" | "bad" | "later" | "faint";

const CODES: Readonly<Record<Tone, string>> = {
  plain: "",
  strong: "1",
  good: "32",
  bad: "31",
  later: "33",
  faint: "2",
};

const WIDTH = 100;
/** Where the right column begins. */
const RIGHT = 60;
const STEP = 2;
/** Deepest indentation: lists that name each other nest a hundred deep. */
const MOST_INDENT = 30;

const indentOf = (depth: number) => " ".repeat(Math.min(depth * STEP, MOST_INDENT));

/** A page of at most 100 columns: indented lines, and rows of a left and a right column. */
export class Sheet {
  readonly #colour: boolean;
  readonly #lines: string[] = [];

  constructor({ colour }: SheetStyle) {
    this.#colour = colour;
  }

  gap(): void {
    if (this.#lines.length > 0 && this.#lines.at(-1) !== "") this.#lines.push("");
  }

  line(depth: number, text: string, tone: Tone = "plain"): void {
    const indent = indentOf(depth);
    for (const part of wrapped(text, WIDTH - indent.length, 2)) {
      this.#lines.push(indent + this.#paint(part, tone));
    }
  }

  /** Left and right beside each other where the left is short enough, else below each other. */
  row(depth: number, left: string, right: string, tone: Tone = "plain"): void {
    const indent = indentOf(depth);
    if (right === "") return this.line(depth, left);
    const [first = "", ...rest] = wrapped(right, WIDTH - RIGHT, 0);
    const lefts = wrapped(left, RIGHT - indent.length - 1, 2);
    for (const part of lefts.slice(0, -1)) this.#lines.push(indent + part);
    this.#lines.push(`${(indent + lefts.at(-1)!).padEnd(RIGHT)}${this.#paint(first, tone)}`);
    for (const part of rest) this.#lines.push(`${" ".repeat(RIGHT)}${this.#paint(part, tone)}`);
  }

  text(): string {
    return `${this.#lines.join("\n")}\n`;
  }

  #paint(text: string, tone: Tone): string {
    return this.#colour && tone !== "plain" ? `\x1b[${CODES[tone]}m${text}\x1b[0m` : text;
  }
}

/** A text in pieces of a width, broken at blanks where there are any; pieces after the first are indented. */
export function wrapped(text: string, width: number, hang: number): string[] {
  const lines: string[] = [];
  // Control characters are nobody's to send to a terminal.
  let rest = printable(text);
  for (let room = width; rest.length > room; room = width - hang) {
    const blank = rest.lastIndexOf(" ", room);
    const cut = Math.max(blank > room / 3 ? blank : room, 1);
    lines.push(rest.slice(0, cut));
    rest = rest.slice(cut).trimStart();
  }
  lines.push(rest);
  return lines.map((line, at) => at === 0 ? line : " ".repeat(hang) + line);
}
