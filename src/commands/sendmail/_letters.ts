/** An option as getopt(3) finds it; `is` has its complaint, in its words. */
export type Letter =
  | { readonly letter: string; readonly argument: string; readonly bad?: undefined }
  | { readonly bad: string };

/**
 * getopt(3) one option at a time, for who looks at whole words between them: sendmail has some that are none of getopt's (`-q`, `-XV`).
 * It ends at the first word that is no option.
 */
export class Letters {
  readonly #known: string;
  readonly #words: readonly string[];
  #at = 0;
  #inWord = 0;

  /** In `known` a colon follows the letters that have an argument. */
  constructor(words: readonly string[], known: string) {
    this.#words = words;
    this.#known = known;
  }

  /** The word that comes next; undefined inside a word, and behind the last one. */
  get word(): string | undefined {
    return this.#inWord > 0 ? undefined : this.#words[this.#at];
  }

  get wordAfter(): string | undefined {
    return this.#words[this.#at + 1];
  }

  /** What no option has taken. */
  get rest(): readonly string[] {
    return this.#words.slice(this.#at);
  }

  skipWord(): void {
    this.#at++;
  }

  /** The next option; undefined when there are no more. */
  next(): Letter | undefined {
    const word = this.#words[this.#at];
    if (word === undefined) return undefined;
    if (this.#inWord === 0) {
      if (word === "-" || !word.startsWith("-")) return undefined;
      if (word === "--") return (this.#at++, undefined);
    }
    const letter = word[++this.#inWord]!;
    const isLast = this.#inWord + 1 >= word.length;
    const place = letter === ":" ? -1 : this.#known.indexOf(letter);
    if (place >= 0 && this.#known[place + 1] === ":") return this.#withArgument(letter, word);
    if (isLast) this.#nextWord();
    return place < 0 ? { bad: `invalid option -- '${letter}'` } : { letter, argument: "" };
  }

  #withArgument(letter: string, word: string): Letter {
    const inWord = word.slice(this.#inWord + 1);
    this.#nextWord();
    if (inWord !== "") return { letter, argument: inWord };
    const argument = this.#words[this.#at];
    if (argument === undefined) return { bad: `option requires an argument -- '${letter}'` };
    this.#at++;
    return { letter, argument };
  }

  #nextWord(): void {
    this.#at++;
    this.#inWord = 0;
  }
}
