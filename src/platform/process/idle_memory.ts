import fs from "node:fs";
import { libc } from "../libc.ts";
import { every } from "../timer.ts";
import { vitalSigns } from "./vital_signs.ts";

/** How often a process looks whether it is idle, in milliseconds. */
const LOOK = 2000;
/** Processor time between two looks, in milliseconds, up to which a process is idle: one in a hundred. */
const AT_MOST = 20;
/** Processor time after which it is worth while to let go of the program's pages, which takes half a millisecond. */
const FOR_PAGES = 50;
/** The same for a collection, which takes some ten and stops everything for as long: a hundredth at most goes into it. */
const FOR_COLLECTION = 1000;

/** Tells when a process that has worked for so many milliseconds has come to rest: once for each time that it does. */
export class Rest {
  readonly #atLeast: number;
  #seen = 0;
  #given = 0;

  constructor(atLeast: number) {
    this.#atLeast = atLeast;
  }

  /** Hears the processor time that was spent so far, in milliseconds, at each look; true when memory may be given back. */
  look(spent: number): boolean {
    const [since, sinceGiven] = [spent - this.#seen, spent - this.#given];
    this.#seen = spent;
    if (since > AT_MOST || sinceGiven < this.#atLeast) return false;
    this.#given = spent;
    return true;
  }
}

const MADV_DONTNEED = 4;
const open = () => libc({ madvise: { args: ["u64", "u64", "i32"], returns: "i32" } });
let opened: ReturnType<typeof open> | undefined;

/** Where the program's own code and constants are mapped: what nobody writes to, so that the file has it all. */
function programRanges(): { readonly start: number; readonly end: number }[] {
  const program = fs.readlinkSync("/proc/self/exe");
  return fs.readFileSync("/proc/self/maps", "latin1").split("\n").flatMap((line) => {
    const [, start, end, mode, offset, path] =
      /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) \S+ \d+ +(.*)$/.exec(line) ?? [];
    const isConstant = mode === "r-xp" || (mode === "r--p" && Number(`0x${offset}`) === 0);
    if (path !== program || !isConstant) return [];
    return [{ start: Number(`0x${start}`), end: Number(`0x${end}`) }];
  });
}

/**
 * Lets go of the pages of the program's file that a start or a busy phase has touched, some tens of megabytes of code. They
 * stay in the system's file cache as long as nothing else needs the room, and come back by themselves when they are used.
 */
export function letGoOfProgramPages(): void {
  try {
    const { madvise } = opened ??= open();
    for (const { start, end } of programRanges()) madvise(start, end - start, MADV_DONTNEED);
  } catch { /* no /proc, or no calls of the C library */ }
}

/** Gives memory back whenever this process comes to rest; what the system does not let it give, it keeps. */
export function giveBackAtRest(): void {
  const [rest, longRest] = [new Rest(FOR_PAGES), new Rest(FOR_COLLECTION)];
  every(LOOK, () => {
    const spent = 1000 * vitalSigns().cpuSeconds;
    if (longRest.look(spent)) Bun.gc(true);
    if (rest.look(spent)) letGoOfProgramPages();
  });
}
