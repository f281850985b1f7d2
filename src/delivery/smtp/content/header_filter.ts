import { isPromise, type MaybeAsync } from "../../../base/maybe_async.ts";
import { MimeWalker, type WalkLimits } from "../../../message/mime_walker.ts";
import type { ContentFilter } from "./content_sender.ts";

/** Rewrites a field of the message's header; `name` in lower case, `text` whole lines, one character a byte. */
export type RewriteField = (name: string, text: string) => MaybeAsync<string>;

/** Has the header rewritten field by field, and lets the body pass (smtp_generic_maps). */
export class HeaderFilter implements ContentFilter {
  readonly #rewrite: RewriteField;
  readonly #walker: MimeWalker;
  #inBody = false;

  constructor(rewrite: RewriteField, limits: WalkLimits) {
    this.#rewrite = rewrite;
    this.#walker = new MimeWalker({ lineEnd: "\r\n", structure: false, limits });
  }

  async push(chunk: Buffer): Promise<readonly Buffer[]> {
    return this.#inBody ? [chunk] : await this.#take(this.#walker.push(chunk));
  }

  async end(): Promise<readonly Buffer[]> {
    return await this.#take(this.#walker.end());
  }

  async #take(events: ReturnType<MimeWalker["push"]>): Promise<readonly Buffer[]> {
    let header = "";
    const body: Buffer[] = [];
    for (const event of events) {
      if (event.is === "field") {
        const rewritten = this.#rewrite(event.name, event.text);
        header += isPromise(rewritten) ? await rewritten : rewritten;
      } else if (event.is === "headerEnd") this.#inBody = true;
      else if (event.is === "body") body.push(event.bytes);
    }
    return header === "" ? body : [Buffer.from(header, "latin1"), ...body];
  }
}
