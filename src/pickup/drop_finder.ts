import { join } from "node:path";
import { pauseWhenDue } from "../base/pause_when_due.ts";
import { FolderEntries } from "../platform/file/folder_entries.ts";
import { type HandedState, handedState } from "../platform/file/handed_file.ts";
import type { BadDrops } from "./bad_drops.ts";
import { isDropName } from "./drop/drop_folder.ts";

/** So many names are held in memory at a time, the oldest. */
const MOST_NAMES = 20_000;
/** An unfinished file is given up so long after its last change, in milliseconds. */
const GIVEN_UP = 86_400_000;
/** So many folders of users are tried to be removed in one look. */
const MOST_REMOVALS = 1000;

/** What a name in the folder of drops stands for. */
export type Found = "whole" | "unfinished" | "nothing";

/** What a look at the whole folder brought. */
export interface Look {
  /** Whole drops by age, the oldest first. */
  readonly names: readonly string[];
  /** There are more than that. */
  readonly more: boolean;
}

/** Looks into the folder of drops, and rids it of what is no drop. */
export class DropFinder {
  readonly #folder: string;
  readonly #bad: BadDrops;
  readonly #now: () => number;

  constructor(folder: string, bad: BadDrops, now: () => number) {
    this.#folder = folder;
    this.#bad = bad;
    this.#now = now;
  }

  path(name: string): string {
    return join(this.#folder, name);
  }

  /** What has that name; what is no drop is taken away. Throws the system's error. */
  judge(name: string): Found {
    const state = handedState(this.path(name));
    if (state === undefined) return "nothing";
    if (state.isFolder) {
      this.#bad.removeFolder(this.path(name));
      return "nothing";
    }
    const why = this.#whyNoDrop(name, state);
    if (why === undefined) return state.isWhole ? "whole" : "unfinished";
    this.#bad.takeAway(this.path(name), name, state.uid, why);
    return "nothing";
  }

  #whyNoDrop(name: string, state: HandedState): string | undefined {
    if (!state.isPlain) return "it is no plain file";
    if (state.links !== 1) return `it has ${state.links} hard links`;
    if (!isDropName(name)) return "its name is none of a drop";
    // The time of a change of its bookkeeping is the system's: users cannot set it.
    if (!state.isWhole && this.#now() - state.ctime > GIVEN_UP) return "it was never finished";
    return undefined;
  }

  /**
   * Looks at everything as long as it `goesOn`, others getting their turn in between. Only names that are `wanted` come back. Rejects with
   * the system's error.
   */
  async look(wanted: (name: string) => boolean, goesOn: () => boolean): Promise<Look> {
    const entries = new FolderEntries(this.#folder);
    let names: string[] = [];
    let more = false;
    const stuck = { count: 0, example: "", removals: 0 };
    try {
      for (let some = entries.next(); some !== undefined && goesOn(); some = entries.next()) {
        for (const { name, kind } of some) {
          if (!wanted(name)) continue;
          if (kind === "folder") this.#tryFolder(name, stuck);
          else if (this.judge(name) === "whole") names.push(name);
        }
        if (names.length >= 2 * MOST_NAMES) {
          names = names.sort().slice(0, MOST_NAMES);
          more = true;
        }
        await pauseWhenDue();
      }
    } finally {
      entries.close();
    }
    this.#bad.tellStuck(stuck.count, stuck.example);
    names.sort();
    return { names: names.slice(0, MOST_NAMES), more: more || names.length > MOST_NAMES };
  }

  #tryFolder(name: string, stuck: { count: number; example: string; removals: number }): void {
    if (++stuck.removals <= MOST_REMOVALS && this.#bad.removeFolder(this.path(name))) return;
    stuck.count++;
    stuck.example = name;
  }
}
