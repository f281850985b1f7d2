import { ConvertingWalker } from "../../../message/converting_walker.ts";
import type { MimeEvent, WalkLimits } from "../../../message/mime_walker.ts";
import type { ContentFilter } from "./content_sender.ts";
import { type Failure, localFailure } from "../failure.ts";

/** Turns 8-bit content into quoted-printable for a server without 8BITMIME (RFC 6152 §3). */
export class MimeDowngrade implements ContentFilter {
  failure: Failure | undefined;
  readonly #walker: ConvertingWalker;

  constructor(limits: WalkLimits) {
    this.#walker = new ConvertingWalker(limits);
  }

  push(chunk: Buffer): readonly Buffer[] {
    return this.#walker.push(chunk).map((event) => this.#bytesOf(event));
  }

  end(): readonly Buffer[] {
    return this.#walker.end().map((event) => this.#bytesOf(event));
  }

  #bytesOf(event: MimeEvent): Buffer {
    switch (event.is) {
      case "field":
        return Buffer.from(event.text, "latin1");
      case "body":
        return event.bytes;
      case "headerEnd":
        return NOTHING;
      case "tooDeep":
        this.failure ??= localFailure("5.6.0", "MIME nesting exceeds safety limit");
        return NOTHING;
    }
  }
}

const NOTHING = Buffer.alloc(0);
