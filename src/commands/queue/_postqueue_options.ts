import { takeFilter } from "../../queue/filter/filter_options.ts";
import type { QueueFilter } from "../../queue/filter/queue_filter.ts";
import { getopt } from "../getopt.ts";

/** What postqueue is to do. */
export interface PostqueueOptions {
  readonly mode: "f" | "i" | "s" | "j" | "p" | "why";
  /** Of -i, -s and --why. */
  readonly argument: string;
  readonly configDirectory: string | undefined;
  /** Beyond Postfix. */
  readonly filter: QueueFilter | undefined;
  readonly json: boolean;
}

/** Why the words are none of postqueue's: `bad` in getopt's words, for the usage text; `mistake` in our own. */
type Unread = { readonly bad: string } | { readonly mistake: string };

type Mode = PostqueueOptions["mode"];
const LETTERS: readonly string[] = ["f", "i", "s", "j", "p"] satisfies readonly Mode[];
const isMode = (letter: string): letter is Mode => LETTERS.includes(letter);

/** Reads postqueue's words. */
export function readPostqueueOptions(args: readonly string[]): PostqueueOptions | Unread {
  const taken = takeFilter(args);
  if ("mistake" in taken) return taken;
  const { filter } = taken;
  const [words, why] = takeValue(taken.rest, "--why");
  const json = words.includes("--json");
  const given = getopt(words.filter((word) => word !== "--json"), "c:fi:jps:v");
  if (given.is === "bad") return { bad: given.why };
  const modes = given.options.flatMap(({ letter, argument = "" }) =>
    isMode(letter) ? [{ letter, argument }] : []
  );
  if (why !== undefined) modes.push({ letter: "why", argument: why });
  // What only a listing takes asks for one.
  if (modes.length === 0 && (json || filter !== undefined)) modes.push({ letter: "p", argument: "" });
  const [mode] = modes;
  if (mode === undefined || modes.length > 1 || given.rest.length > 0) return { bad: "" };
  const [name, takesFilter] = [mode.letter, mode.letter === "p" || mode.letter === "j"];
  if (filter !== undefined && !takesFilter) return { mistake: `${optionOf(name)} takes no filter` };
  if (json && !takesFilter && name !== "why") return { mistake: `${optionOf(name)} takes no --json` };
  const configDirectory = given.options.findLast(({ letter }) => letter === "c")?.argument;
  return { mode: name, argument: mode.argument, configDirectory, filter, json };
}

const optionOf = (mode: Mode): string => mode === "why" ? "--why" : `-${mode}`;

/** The words without an option and its value, and the value. */
function takeValue(
  words: readonly string[],
  option: string,
): [rest: readonly string[], value: string | undefined] {
  const at = words.findIndex((word) => word === option || word.startsWith(`${option}=`));
  if (at < 0) return [words, undefined];
  const inOne = words[at]!.length > option.length;
  const value = inOne ? words[at]!.slice(option.length + 1) : words[at + 1] ?? "";
  return [words.toSpliced(at, inOne ? 1 : 2), value];
}
