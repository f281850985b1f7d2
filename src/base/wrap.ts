/**
 * Breaks a text at blanks into lines of at most `width` characters, the indentation of all lines but the first included.
 * A word that is longer stays whole. Blanks at a break are dropped.
 */
export function wrapLine(text: string, width: number, indent: number): string[] {
  const lines: string[] = [];
  const margin = " ".repeat(indent);
  let line: string | undefined;
  for (const [, gap = "", word = ""] of text.matchAll(/([ \t]*)([^ \t]+)/g)) {
    const room = lines.length === 0 ? width : width - indent;
    if (line === undefined) line = gap + word;
    else if (line.length + gap.length + word.length <= room) line += gap + word;
    else {
      lines.push(lines.length === 0 ? line : margin + line);
      line = word;
    }
  }
  lines.push(lines.length === 0 ? line ?? "" : margin + (line ?? ""));
  return lines;
}
