import { isPromise } from "../../../base/maybe_async.ts";
import { tableFor } from "../../../cleanup/content_checks.ts";
import { fromBytesText } from "../../../cleanup/latin1.ts";
import { LineChecker } from "../../../cleanup/line_checker.ts";
import { MimeWalker, type WalkLimits } from "../../../message/mime_walker.ts";
import type { ClientCheckRun, ClientChecks } from "./client_checks.ts";
import type { ContentFilter } from "./content_sender.ts";

/** Holds headers, those of parts and attached messages, and body lines against the client's tables (smtp_header_checks). */
export class CheckFilter implements ContentFilter {
  readonly #checks: ClientChecks;
  readonly #run: ClientCheckRun;
  readonly #walker: MimeWalker;
  readonly #lines: LineChecker;

  constructor(checks: ClientChecks, run: ClientCheckRun, limits: WalkLimits) {
    this.#checks = checks;
    this.#run = run;
    this.#walker = new MimeWalker({ lineEnd: "\r\n", structure: true, wholeLines: true, limits });
    this.#lines = new LineChecker(checks, run);
  }

  push(chunk: Buffer): Promise<readonly Buffer[]> {
    return this.#take(this.#walker.push(chunk));
  }

  end(): Promise<readonly Buffer[]> {
    return this.#take(this.#walker.end());
  }

  async #take(events: ReturnType<MimeWalker["push"]>): Promise<readonly Buffer[]> {
    const out: Buffer[] = [];
    for (const event of events) {
      if (event.is === "field") {
        const maps = tableFor(this.#checks, event.place, event.name);
        const asked = this.#run.check("header", fromBytesText(event.text), maps);
        const { text = event.text, before = "" } = isPromise(asked) ? await asked : asked;
        if (before + text !== "") out.push(Buffer.from(before + text, "latin1"));
      } else if (event.is === "body") {
        const asked = this.#lines.check(event.bytes, event.begins);
        const changed = isPromise(asked) ? await asked : asked;
        const bytes = changed === undefined ? event.bytes : Buffer.from(changed, "latin1");
        if (bytes.length > 0) out.push(bytes);
      }
    }
    return out;
  }
}
