import { fatal } from "./_fault.ts";

/** Single-letter options without a value, in the order in which postconf(1) names them in complaints. */
const ORDER = [
  "a",
  "A",
  "b",
  "C",
  "d",
  "e",
  "f",
  "F",
  "h",
  "H",
  "l",
  "m",
  "M",
  "n",
  "o",
  "p",
  "P",
  "t",
  "T",
  "x",
  "X",
  "#",
];
const WITH_VALUE = new Set(["c", "C", "o", "T"]);
const WITHOUT_VALUE = new Set([..."aAbdeEfFhHlmMnpPtvxX#"]);

/** What postconf is asked to do. */
export interface PostconfOptions {
  /** Letters that were given, `p` and `e` added where they are implied. */
  readonly given: ReadonlySet<string>;
  readonly configDirectory: string | undefined;
  readonly classes: ReadonlySet<ParameterClass>;
  readonly overrides: readonly string[];
  readonly tls: string | undefined;
  readonly verbose: number;
  readonly names: readonly string[];
  /** Ours: print rows as JSON. */
  readonly json: boolean;
  /** Ours: say all there is to say about the named parameters. */
  readonly explain: boolean;
}

/** Kinds of parameters for `-C`. */
export type ParameterClass = "builtin" | "service" | "user";

/** A command line that getopt(3) refuses; the usage follows. */
export class UsageFault extends Error {}

/** Only one of each row. */
const EXCLUSIVE = ["aAbltmTpMFP", "den#X", "fe#X", "xe#X", "ode#X", "he#XH"];

/** What goes with what: with the first, nothing but the second. */
const COMPANIONS: readonly (readonly [string, string])[] = [
  ...[..."aAblmTt"].map((letter) => [letter, ""] as const),
  ["p", "eX#fhCxdnoH"],
  ["M", "eX#fox"],
  ["F", "efhoxH"],
  ["P", "eXfhoxH"],
  ["C", "pdn"],
];

const named = (letters: Iterable<string>) => {
  const set = new Set(letters);
  return ORDER.filter((letter) => set.has(letter)).map((letter) => `-${letter}`).join(" ");
};

/** Complains of options that exclude each other, in Postfix's words. */
function checkTogether(given: ReadonlySet<string>): void {
  for (const row of EXCLUSIVE) {
    const both = [...row].filter((letter) => given.has(letter));
    if (both.length > 1) fatal(`specify one of ${named(both)}`);
  }
  for (const [letter, allowed] of COMPANIONS) {
    const excess = ORDER.filter((each) => given.has(each) && each !== letter && !allowed.includes(each));
    if (given.has(letter) && excess.length > 0) {
      fatal(`with option -${letter}, do not specify ${named(excess)}`);
    }
  }
}

const CLASSES: Readonly<Record<string, readonly ParameterClass[]>> = {
  builtin: ["builtin"],
  service: ["service"],
  user: ["user"],
  all: ["builtin", "service", "user"],
};

function classesOf(text: string): Set<ParameterClass> {
  const words = text.split(/[, \t\r\n]+/).filter((word) => word !== "");
  return new Set(words.flatMap((word) => {
    const found = CLASSES[word.toLowerCase()];
    return found ?? fatal(`unknown -C option value "${word}" in "${text}"`);
  }));
}

interface Draft {
  readonly given: Set<string>;
  readonly overrides: string[];
  configDirectory: string | undefined;
  classes: Set<ParameterClass>;
  tls: string | undefined;
  verbose: number;
}

function take(draft: Draft, letter: string, value: string): void {
  if ((letter === "b" && draft.given.has("t")) || (letter === "t" && draft.given.has("b"))) {
    fatal("specify one of -b and -t");
  }
  if (letter === "T" && draft.given.has("T")) fatal("At most one -T <mode> option may be specified");
  if (letter === "c") draft.configDirectory = value;
  else if (letter === "v") draft.verbose++;
  else if (letter === "C") draft.classes = classesOf(value);
  if (letter === "o") draft.overrides.push(value);
  if (letter === "T") draft.tls = value;
  if (letter !== "c" && letter !== "v" && letter !== "C") draft.given.add(letter);
}

/** Options as getopt(3) reads them: letters may be joined, a value may follow its letter, the first other word ends it. */
function readLetters(draft: Draft, args: readonly string[]): readonly string[] {
  let at = 0;
  for (; at < args.length && /^-./.test(args[at]!); at++) {
    const word = args[at]!;
    if (word === "--") return args.slice(at + 1);
    for (let place = 1; place < word.length; place++) {
      const letter = word[place]!;
      if (WITHOUT_VALUE.has(letter) && letter !== "E") take(draft, letter, "");
      else if (!WITH_VALUE.has(letter)) {
        throw new UsageFault(letter === "E" ? "" : `invalid option -- '${letter}'`);
      } else {
        const value = place + 1 < word.length ? word.slice(place + 1) : args[++at];
        if (value === undefined) throw new UsageFault(`option requires an argument -- '${letter}'`);
        take(draft, letter, value);
        break;
      }
    }
  }
  return args.slice(at);
}

/** Reads postconf's command line. */
export function readOptions(args: readonly string[]): PostconfOptions {
  const draft: Draft = {
    given: new Set(),
    overrides: [],
    configDirectory: undefined,
    classes: new Set(["builtin", "service", "user"]),
    tls: undefined,
    verbose: 0,
  };
  const [json, explain] = [args.includes("--json"), args.includes("--explain")];
  const names = readLetters(draft, args.filter((arg) => arg !== "--json" && arg !== "--explain"));
  const { given } = draft;
  if (![..."aAbltmTpMFP"].some((letter) => given.has(letter))) given.add("p");
  if ([..."pMFP"].some((letter) => given.has(letter)) && names[0]?.includes("=")) given.add("e");
  checkTogether(given);
  if (given.has("e") && names.length === 0) fatal("-e requires name=value argument");
  return { ...draft, names, json, explain };
}

/** Postfix's usage message. */
export const USAGE =
  "usage: postconf [-a (server SASL types)] [-A (client SASL types)] [-b (bounce templates)]" +
  " [-c config_dir] [-c param_class] [-d (parameter defaults)] [-e (edit configuration)] [-f (fold lines)]" +
  " [-F (master.cf fields)] [-h (no names)] [-H (no values)] [-l (lock types)] [-m (map types)] [-M (master.cf)]" +
  " [-n (non-default parameters)] [-o name=value (override parameter value)] [-p (main.cf, default)]" +
  " [-P (master.cf parameters)] [-t (bounce templates)] [-T compile-version|run-version|public-key-algorithms]" +
  " [-v (verbose)] [-x (expand parameter values)] [-X (exclude)] [-# (comment-out)] [name...]";

/** What `--help` prints: all of it, on one screen. */
export const HELP = `usage: mta postconf [-c config_dir] [-v] [options] [name | name=value ...]
main.cf
  name ...                  show parameters: -n those set, -d the defaults,
                            -x expanded, -f folded, -h values only, -H names
                            only, -C builtin,service,user,all of these
  -o name=value ...         as if main.cf said so
  name=value ...            change main.cf (-e); -X name removes a setting,
                            -# name comments it out
master.cf
  -M [service[/type]]       show entries; -Me service/type=entry, -MX, -M#
  -F [service[/type[/field]]]      show fields; -Fe service/type/field=value
  -P [service[/type[/parameter]]]  show -o settings; -PX removes,
                                   -Pe service/type/parameter=value
built in
  -m  table types   -l  lock types   -a, -A  server and client SASL types
  -T compile-version | run-version | public-key-algorithms
  -b [file]  bounce texts, expanded   -t [file]  bounce templates
ours
  --explain name ...        value, default, type, range, and whether it works
  --json [-n] [name ...]    the same for programs
`;
