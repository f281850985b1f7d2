const NAME = /^[!-9;-~]+[ \t]*:/;

/** White space with more text behind it: a line of white space alone is no folding (RFC 5322 §3.2.2). */
const SPACE = /(?<![ \t])[ \t]+(?=[^ \t])/g;

/**
 * Folds the lines of header fields that are longer than `limit` before white space (RFC 5322 §2.2.3). A word that is itself too
 * long stays as it is, with what is before it. 0: no limit. Texts are whole lines in wire form, one character a byte.
 */
export function foldFields(fields: string, limit: number): string {
  if (limit === 0 || fields.length - "\r\n".length <= limit) return fields;
  return fields.split("\r\n").map((line) => line.length <= limit ? line : foldLine(line, limit)).join("\r\n");
}

/** What is neither field nor continuation stays. */
function foldLine(line: string, limit: number): string {
  const isContinuation = line[0] === " " || line[0] === "\t";
  const first = isContinuation ? 1 : NAME.exec(line)?.[0].length;
  if (first === undefined) return line;
  const places = Array.from(line.matchAll(SPACE), ({ index }) => index).filter((at) => at >= first);
  const folds = usefulFolds(places, line.length, limit);
  return [0, ...folds].map((at, i) => line.slice(at, folds[i])).join("\r\n");
}

/** Those of `places` that make lines shorter, as few as will do. */
function usefulFolds(places: readonly number[], length: number, limit: number): readonly number[] {
  const folds: number[] = [];
  let start = 0;
  for (const [i, at] of places.entries()) {
    const end = places[i + 1] ?? length;
    const wordFits = end - at <= limit;
    const lineIsOver = at - start > limit;
    if (end - start <= limit || !(wordFits || lineIsOver)) continue;
    folds.push(at);
    start = at;
  }
  return folds;
}
