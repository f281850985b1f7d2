import { takeFilter } from "../../queue/filter/filter_options.ts";
import type { QueueFilter } from "../../queue/filter/queue_filter.ts";
import type { MoveEffect, MoveQueue, QueueMove } from "../../queue/store.ts";
import { getopt, type GivenOption } from "../getopt.ts";

/** What each option of postsuper(1) does, and what it may come to. */
export const MOVES: Readonly<
  Record<string, { readonly move: QueueMove; readonly effects: readonly MoveEffect[] }>
> = {
  d: { move: "delete", effects: ["deleted"] },
  e: { move: "expire", effects: ["expired"] },
  f: { move: "expireAndUnhold", effects: ["expired", "released"] },
  h: { move: "hold", effects: ["held"] },
  H: { move: "unhold", effects: ["released"] },
  r: { move: "requeue", effects: ["requeued"] },
};

/** For whom: all, or those named on the command line (`-` is standard input). */
export interface Action {
  readonly letter: string;
  readonly ids: "all" | readonly string[];
}

/** What is to be done. */
export interface PostsuperRequest {
  readonly configDirectory: string | undefined;
  readonly verbose: boolean;
  /** -s, -S or -p: before all else. */
  readonly checks: { readonly structure: boolean; readonly purge: boolean };
  /** In the order of the command line. */
  readonly actions: readonly Action[];
  readonly queues: readonly string[];
  readonly filter: QueueFilter | undefined;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** What became of the command's words. */
export type PostsuperOptions =
  | { readonly is: "read"; readonly request: PostsuperRequest }
  | { readonly is: "help" }
  /** `says` comes before the fatal line. */
  | { readonly is: "bad"; readonly says?: string; readonly fatal: string };

const USAGE = "usage: postsuper [-c config_dir] [-d queue_id (delete)] [-e queue_id (expire)] " +
  "[-f queue_id (expire and/or un-hold)] [-h queue_id (hold)] [-H queue_id (un-hold)] " +
  "[-p (purge temporary files)] [-r queue_id (requeue)] [-s (structure fix)] " +
  "[-S (redundant structure fix)][-v (verbose)] [queue...]";

/** Reads the words of postsuper(1), and those that are ours beyond it. */
export function readPostsuperOptions(args: readonly string[]): PostsuperOptions {
  if (args.includes("--help")) return { is: "help" };
  const taken = takeFilter(args);
  if ("mistake" in taken) return { is: "bad", fatal: taken.mistake };
  const end = taken.rest.indexOf("--");
  const isOurs = (word: string, at: number) => (end < 0 || at < end) && OURS.has(word);
  const given = getopt(taken.rest.filter((word, at) => !isOurs(word, at)), "c:d:e:f:h:H:pr:sSv");
  if (given.is === "bad") return { is: "bad", says: given.why, fatal: USAGE };
  const { options, rest: queues } = given;
  const has = (letters: string) => options.some(({ letter }) => letters.includes(letter));
  const configDirectory = options.findLast(({ letter }) => letter === "c")?.argument;
  if (configDirectory?.startsWith("/") === false) {
    return { is: "bad", fatal: "-c requires absolute pathname" };
  }
  const actions = actionsOf(options);
  const { filter } = taken;
  if (filter !== undefined && !(actions.length > 0 && actions.every(({ ids }) => ids === "all"))) {
    return { is: "bad", fatal: "a filter (--from and the like) goes with ALL, as in -h ALL --from a@b" };
  }
  const nothing = actions.length === 0 && !has("sSp");
  return {
    is: "read",
    request: {
      configDirectory,
      verbose: has("v"),
      checks: { structure: nothing || has("sS"), purge: nothing || has("p") },
      actions,
      queues,
      filter,
      dryRun: taken.rest.some((word, at) => word === "--dry-run" && isOurs(word, at)),
      json: taken.rest.some((word, at) => word === "--json" && isOurs(word, at)),
    },
  };
}

const OURS: ReadonlySet<string> = new Set(["--dry-run", "--json"]);

/** What follows one another with the same letter is one action. */
function actionsOf(options: readonly GivenOption[]): readonly Action[] {
  const actions: { letter: string; ids: "all" | string[] }[] = [];
  for (const { letter, argument } of options) {
    if (!Object.hasOwn(MOVES, letter) || argument === undefined) continue;
    const last = actions.at(-1);
    if (argument === "ALL") actions.push({ letter, ids: "all" });
    else if (last?.letter === letter && last.ids !== "all") last.ids.push(argument);
    else actions.push({ letter, ids: [argument] });
  }
  return actions;
}

const QUEUES: readonly string[] = ["maildrop", "incoming", "active", "deferred", "hold"];
/** Folders of Postfix's that have no messages. */
const OTHERS: readonly string[] = ["trace", "defer", "bounce", "flush"];

/** The queues of a command line as ours, undefined for all; or the first word that is no queue's name. */
export function queuesOf(
  words: readonly string[],
): { readonly queues: readonly MoveQueue[] | undefined } | { readonly unknown: string } {
  const unknown = words.find((word) => !QUEUES.includes(word) && !OTHERS.includes(word));
  if (unknown !== undefined) return { unknown };
  return { queues: words.length === 0 ? undefined : words.filter(isQueue) };
}

function isQueue(word: string): word is MoveQueue {
  return QUEUES.includes(word);
}
