import { pauseWhenDue } from "../base/pause_when_due.ts";
import { isPromise, type MaybeAsync, then } from "../base/maybe_async.ts";
import type { OpenMaps } from "../rewrite/open_tables.ts";

import type { ContentChecks } from "./content_checks.ts";
import { fromBytesText } from "./latin1.ts";
import type { Changed } from "./stage.ts";

const LINE_END = "\r\n";
/** Lines between two looks at the time. */
const TURN = 16;

/** Lines on their way through the check: what was changed and what lies before it is in `done`, the text up to `kept`. */
interface Stretch {
  readonly text: string;
  done: string;
  kept: number;
}

interface Line {
  readonly start: number;
  /** Before the line end. */
  readonly end: number;
  readonly next: number;
}

/** What lines are held against. */
type LineChecks = Pick<ContentChecks, "body" | "bodyLimit" | "lineLimit">;

/** Who carries out what tables say, on the way in (CheckRun) or out. */
interface LineRun {
  readonly over: boolean;
  check(kind: "body", line: string, maps: OpenMaps | undefined): MaybeAsync<Changed>;
}

/** Holds the lines of bodies against body_checks, as many of each body as body_checks_size_limit says. */
export class LineChecker {
  readonly #checks: LineChecks;
  readonly #run: LineRun;
  /** Bytes of this body so far, line ends counted as one. */
  #seen = 0;

  constructor(checks: LineChecks, run: LineRun) {
    this.#checks = checks;
    this.#run = run;
  }

  get #over(): boolean {
    const { bodyLimit } = this.#checks;
    return this.#run.over || (bodyLimit > 0 && this.#seen >= bodyLimit);
  }

  /** What becomes of a stretch of whole lines; undefined: it stays. `begins`: it is the first of its body. */
  check(bytes: Buffer, begins: boolean): MaybeAsync<string | undefined> {
    if (begins) this.#seen = 0;
    if (this.#checks.body === undefined || this.#over) return undefined;
    const stretch: Stretch = { text: bytes.toString("latin1"), done: "", kept: 0 };
    return then(
      this.#lines(stretch, 0),
      () => stretch.kept === 0 ? undefined : stretch.done + stretch.text.slice(stretch.kept),
    );
  }

  #lines(stretch: Stretch, from: number): MaybeAsync<void> {
    let count = 0;
    for (let at = from; at < stretch.text.length && !this.#over;) {
      const pause = ++count % TURN === 0 ? pauseWhenDue() : undefined;
      if (pause !== undefined) return pause.then(() => this.#lines(stretch, at));
      const line = this.#lineAt(stretch.text, at);
      const checked = this.#line(stretch.text.slice(line.start, line.end));
      if (isPromise(checked)) {
        return checked.then((late) => {
          apply(stretch, line, late);
          return this.#lines(stretch, line.next);
        });
      }
      apply(stretch, line, checked);
      at = line.next;
    }
  }

  /** A line, or a piece of one that is longer than line_length_limit. */
  #lineAt(text: string, start: number): Line {
    const { lineLimit } = this.#checks;
    const found = text.indexOf(LINE_END, start);
    const end = found < 0 ? text.length : found;
    if (end - start >= lineLimit) return { start, end: start + lineLimit, next: start + lineLimit };
    return { start, end, next: found < 0 ? end : end + LINE_END.length };
  }

  #line(line: string): MaybeAsync<Changed> {
    this.#seen += line.length + 1;
    const nul = line.indexOf("\0");
    return this.#run.check("body", fromBytesText(nul < 0 ? line : line.slice(0, nul)), this.#checks.body);
  }
}

function apply(stretch: Stretch, { start, end, next }: Line, { text, before = "" }: Changed): void {
  if (text === undefined && before === "") return;
  const given = stretch.text;
  // A piece of a line stays one.
  const changed = end === next && text?.endsWith(LINE_END) ? text.slice(0, -LINE_END.length) : text;
  stretch.done += given.slice(stretch.kept, start) + before + (changed ?? given.slice(start, next));
  stretch.kept = next;
}
