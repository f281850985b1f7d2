import { takeFilter } from "../../queue/filter/filter_options.ts";
import type { QueueFilter } from "../../queue/filter/queue_filter.ts";
import { getopt } from "../getopt.ts";

/** What postqueue is to do. */
export interface PostqueueOptions {
  readonly mode: "f" | "i" | "s" | "j" | "p";
  /** Of -i and -s. */
  readonly argument: string;
  readonly configDirectory: string | undefined;
  /** Beyond Postfix. */
  readonly filter: QueueFilter | undefined;
  readonly json: boolean;
}

/** Why the words are none of postqueue's: `bad` in getopt's words, for the usage text; `mistake` in our own. */
type Unread = { readonly bad: string } | { readonly mistake: string };

const MODES: readonly string[] = ["f", "i", "s", "j", "p"] satisfies readonly PostqueueOptions["mode"][];
const isMode = (letter: string): letter is PostqueueOptions["mode"] => MODES.includes(letter);

/** Reads postqueue's words. */
export function readPostqueueOptions(args: readonly string[]): PostqueueOptions | Unread {
  const taken = takeFilter(args);
  if ("mistake" in taken) return taken;
  const { filter } = taken;
  const json = taken.rest.includes("--json");
  const given = getopt(taken.rest.filter((word) => word !== "--json"), "c:fi:jps:v");
  if (given.is === "bad") return { bad: given.why };
  const modes = given.options.flatMap(({ letter, argument = "" }) =>
    isMode(letter) ? [{ letter, argument }] : []
  );
  // What only a listing takes asks for one.
  if (modes.length === 0 && (json || filter !== undefined)) modes.push({ letter: "p", argument: "" });
  const [mode] = modes;
  if (mode === undefined || modes.length > 1 || given.rest.length > 0) return { bad: "" };
  const lists = mode.letter === "p" || mode.letter === "j";
  if (!lists && (json || filter !== undefined)) {
    return { mistake: `-${mode.letter} takes no filter and no --json` };
  }
  const configDirectory = given.options.findLast(({ letter }) => letter === "c")?.argument;
  return { mode: mode.letter, argument: mode.argument, configDirectory, filter, json };
}
