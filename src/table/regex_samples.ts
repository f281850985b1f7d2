import type { CharSet, Node, ParsedRegex } from "./regex_ast.ts";

/** How a sample is made: which branch of a choice, and how often what need not be there is. */
interface Taste {
  readonly last: boolean;
  readonly least: number;
}

const TASTES: readonly Taste[] = [
  { last: false, least: 0 },
  { last: false, least: 1 },
  { last: true, least: 0 },
  { last: true, least: 1 },
];

/** Characters that names and addresses are made of, the likeliest first. */
const LIKELY = [..."am1xzbcdefghijklnopqrstuvwy023456789-_.@"].map((char) => char.charCodeAt(0));
/** Longest sample: repetitions of repetitions would go on for ever. */
const LONGEST = 300;

/**
 * Some texts that a pattern is likely to match when it is not anchored otherwise: guesses, to be tried. Look-around and back
 * references are not followed.
 */
export function samplesOf({ node }: ParsedRegex): readonly string[] {
  return [...new Set(TASTES.map((taste) => sample(node, taste)).filter((text) => text.length <= LONGEST))];
}

function sample(node: Node, taste: Taste): string {
  switch (node.is) {
    case "set":
      return oneOf(node.set);
    case "sequence":
      return node.items.map((item) => sample(item, taste)).join("").slice(0, LONGEST + 1);
    case "choice":
      return sample(node.items[taste.last ? node.items.length - 1 : 0]!, taste);
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
  const code = likely ?? set.findIndex((bit, at) => bit === 1 && at > 0x20 && at < 0x7f);
  return code < 0 ? "" : String.fromCharCode(code);
}
