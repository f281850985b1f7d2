import { GatheredBytes } from "../../../base/gathered_bytes.ts";
import type { MaybeAsync } from "../../../base/maybe_async.ts";
import type { ContentFilter } from "./content_sender.ts";

/** Rewrites a whole header block, its empty line not included (smtp_generic_maps, smtp_header_checks). */
export type RewriteHeader = (header: Buffer) => MaybeAsync<Uint8Array>;

/** A header that is longer is left alone from there on. */
const HEADER_LIMIT = 1 << 20;
const CRLF = Buffer.from("\r\n");
const END_OF_HEADER = Buffer.from("\r\n\r\n");

/** Gathers the header, has it rewritten, and lets the body pass. */
export class HeaderFilter implements ContentFilter {
  readonly #rewrite: RewriteHeader;
  #gathered: GatheredBytes | undefined = new GatheredBytes();

  constructor(rewrite: RewriteHeader) {
    this.#rewrite = rewrite;
  }

  async push(chunk: Buffer): Promise<readonly Buffer[]> {
    if (this.#gathered === undefined) return [chunk];
    const searched = Math.max(this.#gathered.length - END_OF_HEADER.length + 1, 0);
    this.#gathered.add(chunk);
    const all = this.#gathered.bytes;
    if (all.subarray(0, 2).equals(CRLF)) return this.#pass(all);
    const end = all.indexOf(END_OF_HEADER, searched);
    if (end < 0) return all.length < HEADER_LIMIT ? [] : this.#pass(all);
    this.#gathered = undefined;
    return [Buffer.from(await this.#rewrite(all.subarray(0, end + 2))), all.subarray(end + 2)];
  }

  async end(): Promise<readonly Buffer[]> {
    const rest = this.#gathered?.bytes;
    this.#gathered = undefined;
    return rest === undefined || rest.length === 0 ? [] : [Buffer.from(await this.#rewrite(rest))];
  }

  #pass(all: Buffer): readonly Buffer[] {
    this.#gathered = undefined;
    return [all];
  }
}
