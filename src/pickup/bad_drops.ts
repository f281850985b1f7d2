import { join } from "node:path";
import { printable } from "../base/printable.ts";
import {
  handedState,
  moveHanded,
  privateFolderCount,
  removeEmptyFolder,
  removeHanded,
} from "../platform/file/handed_file.ts";
import { systemErrorText } from "../platform/system_error.ts";
import { dropFolder } from "./drop/drop_folder.ts";
import type { BoundedWarnings } from "./bounded_warnings.ts";

/** So many are kept, none of which takes more than so many bytes: what users can fill in this way has an end. */
export const MOST_KEPT = 100;
export const LARGEST_KEPT = 1 << 20;

/** Where what was no good as a drop is kept, for the operator to look at; he may empty it at any time. */
export function badDropFolder(queueDirectory: string): string {
  return join(queueDirectory, "mta/bad-drops");
}

/** Gets rid of what is no drop, says so once, and keeps some of it. */
export class BadDrops {
  readonly #folder: string;
  readonly #drops: string;
  readonly #warnings: BoundedWarnings;
  /** Folders that cannot be removed, when that was said last. */
  #stuck = 0;

  constructor(queueDirectory: string, warnings: BoundedWarnings) {
    this.#folder = badDropFolder(queueDirectory);
    this.#drops = dropFolder(queueDirectory);
    this.#warnings = warnings;
  }

  /** Takes away a file that no message can be made of. `name` is for the log, and for the file where it is kept; one that is no text is not. */
  takeAway(path: string | Buffer, name: string, uid: number | undefined, why: string): void {
    const what = `${printable(name)}: ${
      uid === undefined ? "" : `uid=${uid}: `
    }dropped mail is not taken: ${why}`;
    try {
      const state = handedState(path);
      if (state?.isFolder) return this.#warnings.say(`${what}; ${this.#rid(path, name)}`);
      const kept = typeof path === "string" && state?.isPlain === true && state.links === 1 &&
        state.taken <= LARGEST_KEPT &&
        this.#keep(path, name);
      if (!kept) removeHanded(path);
      this.#warnings.say(kept ? `${what}; kept as ${join(this.#folder, name)}` : `${what}; removed`);
    } catch (error) {
      this.#warnings.say(`${what}; and cannot be removed: ${systemErrorText(error)}`);
    }
  }

  #keep(path: string, name: string): boolean {
    if (privateFolderCount(this.#folder) >= MOST_KEPT) return false;
    moveHanded(path, join(this.#folder, name));
    return true;
  }

  /** A folder that took a drop's place at the moment that was moved into custody: one with something in it is where its like are, again. */
  #rid(path: string | Buffer, name: string): string {
    if (this.removeFolder(path)) return "removed";
    moveHanded(path, join(this.#drops, name));
    return "put back";
  }

  /** A folder that somebody has put where drops are: answers whether it is gone. */
  removeFolder(path: string | Buffer): boolean {
    return removeEmptyFolder(path);
  }

  /** Folders that stay, as there is something in them: told when there are more than before. */
  tellStuck(count: number, example: string): void {
    if (count > this.#stuck) {
      this.#warnings.say(
        `${count} folders of users where drops are made, such as ${printable(example)}: remove them`,
      );
    }
    this.#stuck = count;
  }
}
