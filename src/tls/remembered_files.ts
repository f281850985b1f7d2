import { FreshFiles } from "./fresh_files.ts";
import type { TlsFiles } from "./tls_files.ts";

/** Files that are remembered, at most. */
const MOST = 1000;

interface Remembered {
  readonly text: string;
  readonly fresh: FreshFiles;
}

/** Files that are read again only when they are others: what many connections ask for in turn. */
export class RememberedFiles {
  readonly #files: TlsFiles;
  readonly #known = new Map<string, Remembered>();

  constructor(files: TlsFiles) {
    this.#files = files;
  }

  /** The text of a file. Throws the system's error, where there is no text from before. */
  read(path: string): string {
    const known = this.#known.get(path);
    if (known !== undefined && !known.fresh.haveChanged()) return known.text;
    const fresh = new FreshFiles([path], this.#files);
    fresh.reading();
    const text = this.#files.read(path);
    if (this.#known.size >= MOST) this.#known.clear();
    this.#known.set(path, { text, fresh });
    return text;
  }
}
