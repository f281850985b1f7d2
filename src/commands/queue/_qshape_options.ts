import { takeFilter } from "../../queue/filter/filter_options.ts";
import type { QueueFilter } from "../../queue/filter/queue_filter.ts";
import type { QueueName } from "../../queue/store.ts";
import { getopt } from "../getopt.ts";
import type { QshapeShape } from "./_qshape_counts.ts";

/** What qshape is to do. */
export interface QshapeOptions {
  readonly shape: QshapeShape;
  /** -m */
  readonly leastChildren: number;
  /** -w */
  readonly width: number;
  /** -N and -n, for who watches. */
  readonly every: number;
  readonly top: number;
  readonly configDirectory: string | undefined;
  readonly queues: readonly QueueName[];
  /** Words that are none of our queues. */
  readonly unknown: readonly string[];
  readonly filter: QueueFilter | undefined;
  readonly json: boolean;
}

/** `help`: the usage text was asked for, or there is something wrong with the words. */
export type QshapeWords = QshapeOptions | { readonly help: string } | { readonly mistake: string };

const QUEUES: readonly QueueName[] = ["incoming", "active", "deferred", "hold"];

/** Reads qshape's words, which are read as Perl's getopts does. */
export function readQshapeOptions(args: readonly string[]): QshapeWords {
  const taken = takeFilter(args);
  if ("mistake" in taken) return taken;
  const given = getopt(taken.rest.filter((word) => word !== "--json"), "lhc:psw:b:t:m:n:N:");
  if (given.is === "bad") return { help: unknownOption(given.why) };
  const last = (letter: string) => given.options.findLast((option) => option.letter === letter);
  if (last("h") !== undefined) return { help: "" };
  const number = (letter: string, fallback: number, least: number) => {
    const value = Number.parseFloat(last(letter)?.argument ?? "");
    return value > least ? value : fallback;
  };
  const words = given.rest.length > 0 ? given.rest : ["incoming", "active"];
  return {
    shape: {
      bySender: last("s") !== undefined,
      parents: last("p") !== undefined,
      buckets: Math.trunc(number("b", 10, 0)),
      minutes: number("t", 5, 0),
      linear: last("l") !== undefined,
    },
    leastChildren: number("m", 5, 0),
    width: Math.trunc(number("w", 80, 80)),
    every: Math.trunc(number("N", 1000, -1)),
    top: Math.trunc(number("n", 20, -1)),
    configDirectory: last("c")?.argument,
    queues: QUEUES.filter((queue) => words.includes(queue)),
    unknown: words.filter((word) => !QUEUES.some((queue) => queue === word)),
    filter: taken.filter,
    json: taken.rest.includes("--json"),
  };
}

/** What getopts says where getopt(3) says `invalid option -- 'x'`; that a value is missing it does not mind, we do. */
function unknownOption(why: string): string {
  const letter = /^invalid option -- '(.)'$/.exec(why)?.[1];
  return letter === undefined ? why : `Unknown option: ${letter}`;
}
