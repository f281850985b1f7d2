import type { ContentFilter } from "./content_sender.ts";
export class MimeDowngrade implements ContentFilter {
  push(chunk: Buffer): readonly Buffer[] {
    return [chunk];
  }
  end(): readonly Buffer[] {
    return [];
  }
}
