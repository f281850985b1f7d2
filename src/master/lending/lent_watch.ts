import { type FileIdentity, sameFile } from "../../platform/file/random_access_file.ts";

/** How often lent files are looked at, in milliseconds. */
const LOOK = 2000;

/** What the watch needs of the world. */
export interface LentWatchWorld {
  /** Throws, or answers undefined, when there is no such file. */
  identityOf(path: string): FileIdentity | undefined;
  after(milliseconds: number, call: () => void): () => void;
}

/** A file as it was when it was read for the workers. */
export type LentIdentities = ReadonlyMap<string, FileIdentity | undefined>;

/**
 * Notices that a file which master has lent to the workers is another now. They cannot see it themselves; Postfix's daemons,
 * which see it, restart. A file that is still being written is left alone until two looks find it the same.
 */
export class LentWatch {
  readonly #world: LentWatchWorld;
  readonly #changed: (paths: readonly string[]) => void;
  #known = new Map<string, FileIdentity | undefined>();
  #last = new Map<string, FileIdentity | undefined>();
  #cancel = () => {};

  constructor(world: LentWatchWorld, changed: (paths: readonly string[]) => void) {
    this.#world = world;
    this.#changed = changed;
  }

  /** Watches these files from now on, and no others. */
  follow(known: LentIdentities): void {
    this.stop();
    this.#known = new Map(known);
    this.#last = new Map();
    if (known.size > 0) this.#again();
  }

  stop(): void {
    this.#cancel();
  }

  #again(): void {
    this.#cancel = this.#world.after(LOOK, () => this.#look());
  }

  #look(): void {
    const changed: string[] = [];
    for (const [path, known] of this.#known) {
      const [before, now] = [this.#last.get(path), this.identityOf(path)];
      this.#last.set(path, now);
      if (now === undefined || sameFile(known, now) || !sameFile(before, now)) continue;
      this.#known.set(path, now);
      changed.push(path);
    }
    this.#again();
    if (changed.length > 0) this.#changed(changed);
  }

  /** How the file is at the moment; to be asked before it is read. */
  identityOf(path: string): FileIdentity | undefined {
    try {
      return this.#world.identityOf(path);
    } catch {
      return undefined;
    }
  }
}
