import type { MaybeAsync } from "../../../base/maybe_async.ts";
import type { ContentFilter } from "./content_sender.ts";

/** Rewrites a whole header block, its empty line not included (smtp_generic_maps, smtp_header_checks). */
export type RewriteHeader = (header: Buffer) => MaybeAsync<Uint8Array>;

/** A header that is longer is left alone from there on. */
const HEADER_LIMIT = 1 << 20;
const END_OF_HEADER = "\r\n\r\n";

/** Gathers the header, has it rewritten, and lets the body pass. */
export class HeaderFilter implements ContentFilter {
  readonly #rewrite: RewriteHeader;
  #gathered: Buffer | undefined = Buffer.alloc(0);

  constructor(rewrite: RewriteHeader) {
    this.#rewrite = rewrite;
  }

  async push(chunk: Buffer): Promise<readonly Buffer[]> {
    if (this.#gathered === undefined) return [chunk];
    const all = this.#gathered.length === 0 ? chunk : Buffer.concat([this.#gathered, chunk]);
    if (all.subarray(0, 2).equals(Buffer.from("\r\n"))) return this.#pass(all);
    const end = all.indexOf(END_OF_HEADER);
    if (end < 0 && all.length < HEADER_LIMIT) {
      this.#gathered = all;
      return [];
    }
    if (end < 0) return this.#pass(all);
    this.#gathered = undefined;
    return [Buffer.from(await this.#rewrite(all.subarray(0, end + 2))), all.subarray(end + 2)];
  }

  async end(): Promise<readonly Buffer[]> {
    const rest = this.#gathered;
    this.#gathered = undefined;
    return rest === undefined || rest.length === 0 ? [] : [Buffer.from(await this.#rewrite(rest))];
  }

  #pass(all: Buffer): readonly Buffer[] {
    this.#gathered = undefined;
    return [all];
  }
}
