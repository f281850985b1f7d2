/** An option as it was given: its letter, and its argument where it has one. */
export interface GivenOption {
  readonly letter: string;
  readonly argument: string | undefined;
}

/** What getopt(3) finds in a command's words. */
export type GivenOptions =
  | { readonly is: "read"; readonly options: readonly GivenOption[]; readonly rest: readonly string[] }
  /** In getopt's words, without the command's name. */
  | { readonly is: "bad"; readonly why: string };

/**
 * Takes the options off a command's words as getopt(3) does: up to the first word that is none, or `--`. In `letters` a colon follows
 * those that have an argument.
 */
export function getopt(args: readonly string[], letters: string): GivenOptions {
  const options: GivenOption[] = [];
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (word === "--") return { is: "read", options, rest: args.slice(at + 1) };
    if (word === "-" || !word.startsWith("-")) return { is: "read", options, rest: args.slice(at) };
    for (let letterAt = 1; letterAt < word.length; letterAt++) {
      const letter = word[letterAt]!;
      const known = letters.indexOf(letter);
      if (known < 0 || letter === ":") return { is: "bad", why: `invalid option -- '${letter}'` };
      if (letters[known + 1] !== ":") {
        options.push({ letter, argument: undefined });
        continue;
      }
      const inWord = word.slice(letterAt + 1);
      const argument = inWord === "" ? args[++at] : inWord;
      if (argument === undefined) return { is: "bad", why: `option requires an argument -- '${letter}'` };
      options.push({ letter, argument });
      break;
    }
  }
  return { is: "read", options, rest: [] };
}
