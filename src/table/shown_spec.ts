/** A table's specification as a log may show it: what stands between the braces of `inline:{...}` is the table itself, passwords maybe. */
export function shownSpec(spec: string): string {
  const at = /\b(?!unionmap:|pipemap:)\w+:\{/.exec(spec);
  if (at === null) return spec;
  const begin = at.index + at[0].length;
  const end = closing(spec, begin);
  return `${spec.slice(0, begin)}...${spec.slice(end, end + 1)}${shownSpec(spec.slice(end + 1))}`;
}

/** Where the brace before `from` closes; the end of the text where it does not. */
function closing(text: string, from: number): number {
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    if (text[at] === "{") depth++;
    else if (text[at] === "}" && --depth === 0) return at;
  }
  return text.length;
}
