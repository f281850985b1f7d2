/** How often files are looked at, at most, in milliseconds: a connection between two looks costs no call of the system. */
const LOOK = 1000;
/** A file whose content or name is younger may still be being written. */
const SETTLED = 1000;

/** What tells a file from another, or from itself before a change. */
export interface FileStamp {
  readonly text: string;
  /** When it changed last, in milliseconds since 1970. */
  readonly changed: number;
}

/** What is asked of the machine. */
export interface FreshFilesWorld {
  /** Undefined when there is no file, or it may not be looked at. */
  stampOf(path: string): FileStamp | undefined;
  /** Milliseconds since 1970. */
  now(): number;
}

type Stamps = readonly (FileStamp | undefined)[];

/** Notices at use that files are others than those that were read: a renewed certificate, a key that is being replaced. */
export class FreshFiles {
  readonly #paths: readonly string[];
  readonly #world: FreshFilesWorld;
  #read: Stamps = [];
  #seen: Stamps = [];
  #nextLook = 0;

  constructor(paths: readonly string[], world: FreshFilesWorld) {
    this.#paths = paths;
    this.#world = world;
  }

  /** To be called before the files are read: what changes while they are read is then a change. */
  reading(): void {
    this.#read = this.#seen = this.#stamps();
    this.#nextLook = this.#world.now() + LOOK;
  }

  /** What was read is no good for a reason that is not in the files: they count as changed at the next look. */
  again(): void {
    this.#read = [undefined, ...this.#read];
  }

  /** Whether there is something else to read, and it is not being written at this moment. Looks at most once a second. */
  haveChanged(): boolean {
    const now = this.#world.now();
    // A clock that was set back must not stop the looks.
    if (now < this.#nextLook && this.#nextLook - now <= LOOK) return false;
    this.#nextLook = now + LOOK;
    const [before, stamps] = [this.#seen, this.#stamps()];
    this.#seen = stamps;
    if (same(stamps, this.#read)) return false;
    return stamps.every((stamp) => stamp === undefined || now - stamp.changed > SETTLED) ||
      same(stamps, before);
  }

  #stamps(): Stamps {
    return this.#paths.map((path) => this.#world.stampOf(path));
  }
}

function same(a: Stamps, b: Stamps): boolean {
  return a.length === b.length && a.every((stamp, at) => stamp?.text === b[at]?.text);
}
