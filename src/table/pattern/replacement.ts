/** A result text: literal pieces and numbers of groups. */
export type Replacement = readonly (string | number)[];

/** What is wrong with a result text, in Postfix's words; several lines may belong to one mistake. */
export interface BadReplacement {
  readonly problems: readonly string[];
}

const NAME = /^[A-Za-z0-9_]+/;

interface Macro {
  readonly name: string;
  readonly length: number;
}

/** The name behind a `$`: bare, or in `{}` or `()`. */
function macroAt(text: string, at: number): Macro | BadReplacement {
  const open = text[at + 1];
  if (open === "{" || open === "(") {
    const close = text.indexOf(open === "{" ? "}" : ")", at + 2);
    if (close < 0) return { problems: [`truncated macro reference: "${text.slice(at)}"`, SYNTAX] };
    const name = text.slice(at + 2, close);
    if (name === "") return { problems: [`empty macro name: "${text.slice(at, close + 1)}"`, SYNTAX] };
    return { name, length: close + 1 - at };
  }
  const name = NAME.exec(text.slice(at + 1))?.[0];
  if (name === undefined) return { problems: [`empty macro name: "${text.slice(at)}"`, SYNTAX] };
  return { name, length: 1 + name.length };
}

const SYNTAX = "bad replacement syntax: skipping this rule";

/** Reads `$1`, `${1}`, `$(1)` and `$$` in a result text (regexp_table(5)). */
export function parseReplacement(text: string, groups: number): Replacement | BadReplacement {
  const pieces: (string | number)[] = [];
  const odd: string[] = [];
  for (let at = 0; at < text.length;) {
    const dollar = text.indexOf("$", at);
    if (dollar < 0 || dollar > at) pieces.push(text.slice(at, dollar < 0 ? undefined : dollar));
    if (dollar < 0) break;
    if (text[dollar + 1] === "$") {
      pieces.push("$");
      at = dollar + 2;
      continue;
    }
    const macro = macroAt(text, dollar);
    if ("problems" in macro) return { problems: [...odd, ...macro.problems] };
    at = dollar + macro.length;
    if (!/^\d+$/.test(macro.name)) odd.push(`non-numeric replacement index "${macro.name}"`);
    else if (Number(macro.name) < 1 || Number(macro.name) > groups) {
      return { problems: [...odd, `out of range replacement index "${macro.name}": skipping this rule`] };
    } else pieces.push(Number(macro.name));
  }
  return odd.length > 0 ? { problems: [...odd, SYNTAX] } : pieces;
}

/** Whether a text names groups at all. */
export function namesGroups(replacement: Replacement): boolean {
  return replacement.some((piece) => typeof piece === "number");
}
