import fs from "node:fs";
import { dirname } from "node:path";
import { asOwner, isRoot } from "../process/effective_ids.ts";
import { flock } from "./lock/flock.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = fs.constants;
/** No service has more to remember. */
const LARGEST_OWN = 4 << 20;
/** How often somebody else's lock is tried again, in milliseconds. */
const POLL = 50;

/** A small file of what a service has to remember, which nobody else may read; several processes change it, one at a time. */
export class PrivateState {
  readonly path: string;
  /** Whose the file is: the owner of the folder above, where root writes it. */
  readonly #as: { readonly uid: number; readonly gid: number } | undefined;

  /** Makes the folder, for its owner alone, when it is missing. Throws the system's error. */
  constructor(folder: string, name: string) {
    this.path = `${folder}/${name}`;
    const { uid, gid } = fs.statSync(dirname(folder));
    this.#as = isRoot() && uid !== 0 ? { uid, gid } : undefined;
    this.#do(() => fs.mkdirSync(folder, { recursive: true, mode: 0o700 }));
  }

  #do<T>(work: () => T): T {
    return this.#as === undefined ? work() : asOwner(this.#as.uid, this.#as.gid, work);
  }

  /** The text; undefined when there is none yet, or what is there is no file of ours. */
  read(): string | undefined {
    try {
      return this.#do(() => readPlain(this.path, LARGEST_OWN));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Puts a text in place of the old one, durably. Only under the lock. */
  write(text: string): void {
    this.#do(() => {
      const temporary = `${this.path}.tmp`;
      fs.rmSync(temporary, { force: true });
      const fd = fs.openSync(temporary, O_WRONLY | O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW, 0o600);
      try {
        fs.writeFileSync(fd, text);
        fs.fsyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
      fs.renameSync(temporary, this.path);
      const folder = fs.openSync(dirname(this.path), O_RDONLY);
      fs.fsyncSync(folder);
      fs.closeSync(folder);
    });
  }

  /** Runs work that may take its time while no other process does; undefined when another one takes longer than `patience`. */
  async locked<T>(patience: number, work: () => Promise<T>): Promise<T | undefined> {
    const fd = this.#do(() => fs.openSync(`${this.path}.lock`, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600));
    try {
      for (let waited = 0; !flock(fd, "exclusive", { wait: false }); waited += POLL) {
        if (waited >= patience) return undefined;
        await new Promise((resolve) => setTimeout(resolve, POLL));
      }
      return await work();
    } finally {
      fs.closeSync(fd);
    }
  }
}

/** A longer file is none of ours. */
const LARGEST = 65_536;

/** All states of a folder, by their names, as far as they are plain files; nothing where there is no such folder. */
export function privateStates(folder: string): ReadonlyMap<string, string> {
  const states = new Map<string, string>();
  let names: string[];
  try {
    names = fs.readdirSync(folder);
  } catch {
    return states;
  }
  for (const name of names) {
    const text = /\.(?:lock|tmp)$/.test(name) ? undefined : plainText(`${folder}/${name}`);
    if (text !== undefined) states.set(name, text);
  }
  return states;
}

/** The folder is its owner's: what he may have put there in a file's place is not followed, nor waited for. */
function plainText(path: string): string | undefined {
  try {
    return readPlain(path, LARGEST);
  } catch {
    return undefined;
  }
}

/** Throws the system's error; undefined for what is no plain file, or a longer one. */
function readPlain(path: string, largest: number): string | undefined {
  const fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW | fs.constants.O_NONBLOCK);
  try {
    const stat = fs.fstatSync(fd);
    return stat.isFile() && stat.size <= largest ? fs.readFileSync(fd, "utf8") : undefined;
  } finally {
    fs.closeSync(fd);
  }
}
