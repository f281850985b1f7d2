import type { MaybeAsync } from "../base/maybe_async.ts";
import type { CheckRun } from "./check_run.ts";
import { type ContentChecks, tableFor } from "./content_checks.ts";
import { fromBytesText } from "./latin1.ts";
import { LineChecker } from "./line_checker.ts";
import type { Changed, HeaderField, Stage } from "./stage.ts";

/** Holds a message's fields and lines against tables (header_checks(5)). */
export class CheckStage implements Stage {
  readonly looksInto: NonNullable<Stage["looksInto"]>;
  readonly #checks: ContentChecks;
  readonly #run: CheckRun;
  readonly #lines: LineChecker;

  constructor(checks: ContentChecks, run: CheckRun) {
    this.looksInto = { parts: checks.parseMime, lines: checks.body !== undefined };
    this.#checks = checks;
    this.#run = run;
    this.#lines = new LineChecker(checks, run);
  }

  field({ place, name, text }: HeaderField): MaybeAsync<Changed> {
    return this.#run.check("header", fromBytesText(text), tableFor(this.#checks, place, name));
  }

  body(bytes: Buffer, begins: boolean): MaybeAsync<string | undefined> {
    return this.#lines.check(bytes, begins);
  }
}
