import { NOTIFY } from "../../queue/envelope.ts";

const WORDS: Readonly<Record<string, number>> = NOTIFY;

/** `-N` (RFC 3461 §4.1) as bits of NOTIFY; 0, and a warning, for what is none. */
export function readNotify(text: string, warn: (text: string) => void): number {
  let bits = 0;
  for (const word of text.split(/[\s,]+/).filter((each) => each !== "")) {
    const bit = Object.hasOwn(WORDS, word.toLowerCase()) ? WORDS[word.toLowerCase()]! : undefined;
    if (bit === undefined) {
      warn(`unknown DSN NOTIFY command value "${word}" in "${text}"`);
      bits = 0;
      break;
    }
    bits |= bit;
  }
  const isGood = bits !== 0 && ((bits & NOTIFY.never) === 0 || bits === NOTIFY.never);
  if (!isGood) warn("bad -N option value -- ignored");
  return isGood ? bits : 0;
}

/** `-R` (RFC 3461 §4.3); undefined, and a warning, for what is none. */
export function readReturn(text: string, warn: (text: string) => void): "FULL" | "HDRS" | undefined {
  const word = text.toUpperCase();
  if (word === "FULL" || word === "HDRS") return word;
  warn("bad -R option value -- ignored");
  return undefined;
}
