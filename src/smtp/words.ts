const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const QUOTE = 34;
const COLON = 58;
const LESS = 60;
const GREATER = 62;
const BACKSLASH = 92;

const KEYWORD = /^(?:from|to):$/i;

const isBlank = (code: number) => code === SPACE || code === TAB || code === CR || code === LF;

/** A word ends at a blank; quotes and angle brackets hold blanks together, a backslash any character. */
function endOfWord(line: string, start: number, keyword: boolean): number {
  let depth = 0;
  let quoted = false;
  for (let at = start; at < line.length; at++) {
    const code = line.charCodeAt(at);
    if (code === BACKSLASH) at++;
    else if (code === QUOTE) quoted = !quoted;
    else if (quoted) continue;
    else if (code === LESS) depth++;
    else if (code === GREATER && depth > 0) depth--;
    else if (keyword && depth === 0 && code === COLON && KEYWORD.test(line.slice(start, at + 1))) {
      return at + 1;
    } else if (depth === 0 && isBlank(code)) return at;
  }
  return line.length;
}

/**
 * The words of a command line, as Postfix takes them apart: `MAIL`, `FROM:`, `<a@b>`, `SIZE=1`. `FROM:` and
 * `TO:` end at their colon, so that the path may follow with or without a blank.
 */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  for (let at = 0; at < line.length;) {
    if (isBlank(line.charCodeAt(at))) {
      at++;
      continue;
    }
    const end = endOfWord(line, at, words.length === 1);
    words.push(line.slice(at, end));
    at = end;
  }
  return words;
}
