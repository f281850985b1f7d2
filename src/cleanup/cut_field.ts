/**
 * A field that is longer than header_size_limit ends before the line that would go over it, or inside that line when too much
 * would be lost otherwise, as Postfix cuts. Line ends count as one byte.
 */
export function cutField(text: string, limit: number): string {
  if (text.length <= limit) return text;
  const lines = text.split("\r\n");
  lines.pop();
  let start = 0;
  for (const [index, line] of lines.entries()) {
    if (start + line.length > limit) {
      const kept = lines.slice(0, index);
      // Nine tenths of what is allowed are enough for a cut between lines.
      if (start <= 0.9 * limit) kept.push(line.slice(0, limit - start));
      return kept.map((one) => `${one}\r\n`).join("");
    }
    start += line.length + 1;
  }
  return text;
}
