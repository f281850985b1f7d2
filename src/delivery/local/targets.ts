/** A destination that an alias, an :include: file or a .forward names (aliases(5)). */
export type Target =
  | {
    readonly is: "address";
    readonly address: string; /** `\user`: past aliases and .forward. */
    readonly direct: boolean;
  }
  | { readonly is: "command"; readonly command: string }
  | { readonly is: "file"; readonly path: string }
  | { readonly is: "include"; readonly path: string };

/** One comma- or blank-separated item, quotes removed, and whether a quote or `@` outside quotes was in it. */
interface Item {
  readonly text: string;
  readonly hasDomain: boolean;
}

/** Splits at commas and line ends; within quotes, comments and angle brackets they are text. */
function items(text: string): Item[] {
  const out: Item[] = [];
  let current = "";
  let hasDomain = false;
  let angle = false;
  const end = () => {
    if (current !== "") out.push({ text: current, hasDomain });
    current = "";
    hasDomain = false;
    angle = false;
  };
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!;
    if (char === '"') {
      const [quoted, next] = quotedText(text, at);
      current += quoted;
      at = next;
    } else if (char === "(") at = endOfComment(text, at);
    else if (char === "<") {
      current = "";
      angle = true;
    } else if (char === ">") angle = false;
    else if (char === "\\" && current !== "") current += text[++at] ?? "";
    else if (!angle && (char === "," || /\s/.test(char))) end();
    else {
      if (char === "@") hasDomain = true;
      current += char;
    }
  }
  end();
  return out;
}

/** The text of the quoted string that begins at `start`, and where it ends. */
function quotedText(text: string, start: number): [text: string, end: number] {
  let out = "";
  let at = start + 1;
  for (; at < text.length && text[at] !== '"'; at++) {
    if (text[at] === "\\" && at + 1 < text.length) at++;
    out += text[at];
  }
  return [out, at];
}

function endOfComment(text: string, start: number): number {
  let level = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === "(") level++;
    else if (text[at] === ")" && --level === 0) return at;
  }
  return text.length;
}

const INCLUDE = /^:include:/i;

function targetOf({ text, hasDomain }: Item): Target {
  if (text.startsWith("|")) return { is: "command", command: text.slice(1).trimStart() };
  if (text.startsWith("/") && !hasDomain) return { is: "file", path: text };
  if (INCLUDE.test(text)) return { is: "include", path: text.replace(INCLUDE, "").trim() };
  if (text.startsWith("\\")) return { is: "address", address: text.slice(1), direct: true };
  return { is: "address", address: text, direct: false };
}

/** The destinations on the right-hand side of an alias. A command with blanks must be quoted, else they end it (aliases(5)). */
export function parseTargets(text: string): Target[] {
  return items(text).map(targetOf);
}

/** The destinations in an :include: or .forward file: a list on each line, `#` begins a comment line. */
export function parseTargetFile(text: string): Target[] {
  return text.split("\n").filter((line) => !/^\s*(#|$)/.test(line)).flatMap(parseTargets);
}
