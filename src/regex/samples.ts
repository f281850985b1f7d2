import type { CharSet, Node, ParsedRegex } from "./syntax_tree.ts";

/** How a sample is made: which branches of choices, and how often what need not be there is. */
interface Taste {
  /** One digit for each choice on the way in, the outermost the lowest. */
  readonly branch: number;
  readonly least: number;
}

/** Branches of one pattern; of one with more no sample would speak for all. */
const MOST_BRANCHES = 100;

/** Characters that names and addresses are made of, the likeliest first. */
const LIKELY = [..."am1xzbcdefghijklnopqrstuvwy023456789-_.@"].map((char) => char.charCodeAt(0));
const BLANKS = [" ", "\t", "\n"];
/** Longest sample: repetitions of repetitions would go on for ever. */
const LONGEST = 300;

/**
 * Some texts that a pattern is likely to match when it is not anchored otherwise, with each branch of its choices in one of them:
 * guesses, to be tried. Look-around and back references are not followed. None for a pattern with too many branches.
 */
export function samplesOf({ node }: ParsedRegex): readonly string[] {
  const branches = branchesOf(node);
  if (branches > MOST_BRANCHES) return [];
  const tastes = Array.from(
    { length: branches },
    (_, branch) => [{ branch, least: 0 }, { branch, least: 1 }],
  );
  return [
    ...new Set(tastes.flat().map((taste) => sample(node, taste)).filter((text) => text.length <= LONGEST)),
  ];
}

/** How many numbers it takes to go through every branch of every choice. */
function branchesOf(node: Node): number {
  switch (node.is) {
    case "choice":
      return node.items.length * Math.max(...node.items.map(branchesOf));
    case "sequence":
      return Math.max(1, ...node.items.map(branchesOf));
    case "repeat":
    case "group":
    case "atomic":
      return branchesOf(node.item);
    default:
      return 1;
  }
}

function sample(node: Node, taste: Taste): string {
  switch (node.is) {
    case "set":
      return oneOf(node.set);
    case "sequence":
      return node.items.map((item) => sample(item, taste)).join("").slice(0, LONGEST + 1);
    case "choice": {
      const { length } = node.items;
      const branch = Math.floor(taste.branch / length);
      return sample(node.items[taste.branch % length]!, { ...taste, branch });
    }
    case "repeat": {
      const times = Math.min(Math.max(node.min, taste.least), node.max, LONGEST);
      return sample(node.item, taste).repeat(times).slice(0, LONGEST + 1);
    }
    case "group":
    case "atomic":
      return sample(node.item, taste);
    case "place":
    case "back":
    case "look":
      return "";
  }
}

function oneOf(set: CharSet): string {
  const likely = LIKELY.find((code) => set[code] === 1);
  if (likely !== undefined) return String.fromCharCode(likely);
  const code = set.findIndex((bit, at) => bit === 1 && at > 0x20 && at < 0x7f);
  // A blank where nothing else will do: between the words of a header field.
  return code < 0 ? BLANKS.find((blank) => set[blank.charCodeAt(0)] === 1) ?? "" : String.fromCharCode(code);
}
