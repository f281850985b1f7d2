import type { Lookup } from "../explanation.ts";

/** Lookups that are kept of one session: a trace is for reading. */
const MAX_LOOKUPS = 5000;

/** Gathers what tables, lists and the DNS are asked; whoever knows on whose behalf takes it away. */
export class Recorder {
  #gathered: Lookup[] = [];
  #left = MAX_LOOKUPS;
  readonly #assumptions = new Set<string>();

  note(lookup: Lookup): void {
    if (this.#left-- > 0) this.#gathered.push(lookup);
    else this.assume(`only the first ${MAX_LOOKUPS} lookups are shown`);
  }

  /** Something was not asked, and this is taken for its answer. */
  assume(text: string): void {
    this.#assumptions.add(text);
  }

  get assumptions(): readonly string[] {
    return [...this.#assumptions];
  }

  /** What has been asked since the last time. */
  take(): readonly Lookup[] {
    const taken = this.#gathered;
    this.#gathered = [];
    return taken;
  }
}
