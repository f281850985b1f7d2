import { join } from "node:path";
import { pauseWhenDue } from "../base/pause_when_due.ts";
import { FolderEntries, type FolderEntry } from "../platform/file/folder/folder_entries.ts";
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

interface Whole {
  readonly name: string;
  /** The last change of its bookkeeping, in milliseconds since 1970. */
  readonly since: number;
}

/** By the system's word: what a drop is called is its owner's choice, and who chose well would come first for ever. */
function byAge(one: Whole, other: Whole): number {
  return one.since - other.since || (one.name < other.name ? -1 : 1);
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
    const drop = this.#drop(name, this.path(name));
    if (drop === undefined) return "nothing";
    return drop.isWhole ? "whole" : "unfinished";
  }

  /** The drop of that name, if it is one. */
  #drop(name: string, path: string | Buffer): HandedState | undefined {
    const state = handedState(path);
    if (state === undefined) return undefined;
    if (state.isFolder) {
      this.#bad.removeFolder(path);
      return undefined;
    }
    const why = this.#whyNoDrop(name, state);
    if (why === undefined) return state;
    this.#bad.takeAway(path, name, state.uid, why);
    return undefined;
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
    let whole: Whole[] = [];
    let more = false;
    const stuck = { count: 0, example: "", removals: 0 };
    try {
      for (let some = entries.next(); some !== undefined && goesOn(); some = entries.next()) {
        for (const entry of some) {
          const { name, kind } = entry;
          if (!wanted(name)) continue;
          const path = this.#pathOf(entry);
          if (kind === "folder") this.#tryFolder(name, path, stuck);
          else this.#add(whole, name, path);
        }
        if (whole.length >= 2 * MOST_NAMES) {
          whole = whole.sort(byAge).slice(0, MOST_NAMES);
          more = true;
        }
        await pauseWhenDue();
      }
    } finally {
      entries.close();
    }
    this.#bad.tellStuck(stuck.count, stuck.example);
    const oldest = whole.sort(byAge).slice(0, MOST_NAMES);
    return { names: oldest.map(({ name }) => name), more: more || whole.length > MOST_NAMES };
  }

  #add(whole: Whole[], name: string, path: string | Buffer): void {
    const drop = this.#drop(name, path);
    if (drop?.isWhole) whole.push({ name, since: drop.ctime });
  }

  /** A name may be any bytes: what is no UTF-8 is reached by them alone. */
  #pathOf({ name, bytes }: FolderEntry): string | Buffer {
    return bytes === undefined ? this.path(name) : Buffer.concat([Buffer.from(this.path("/")), bytes]);
  }

  #tryFolder(
    name: string,
    path: string | Buffer,
    stuck: { count: number; example: string; removals: number },
  ): void {
    if (++stuck.removals <= MOST_REMOVALS && this.#bad.removeFolder(path)) return;
    stuck.count++;
    stuck.example = name;
  }
}
