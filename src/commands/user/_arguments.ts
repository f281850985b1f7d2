import { MADE_SCHEMES, type MadeScheme } from "../../sasl/password/make_password.ts";

/** What is done about users. */
export type UserAction = "add" | "passwd" | "remove" | "list" | "test" | "release";

/** What was asked. */
export interface UserRequest {
  readonly action: UserAction;
  /** In lower case; "" for `list`. */
  readonly name: string;
  /** How to store the password; none: as sasl_mechanisms needs it. */
  readonly schemes: readonly MadeScheme[];
  readonly json: boolean;
}

const ACTIONS: readonly UserAction[] = ["add", "passwd", "remove", "list", "test", "release"];

export const USER_HELP = `usage: mta [-c config_dir] user ACTION [options] [NAME]

Users who may log in where smtpd_sasl_type = internal: the first file of
sasl_users, which is replaced as a whole, so that the service reads the old one
or the new one. The service need not be told.

  add NAME     add a user; fails when NAME is there already
  passwd NAME  change a user's password
  remove NAME  remove a user
  list         tell the users, how their passwords are stored, and which of
               sasl_mechanisms they can use
  test NAME    tell whether a password is NAME's
  release NAME send what is held for NAME's sending limits
  --scheme S   ${MADE_SCHEMES.join(", ").toLowerCase()}; with commas: several
               (default: what sasl_mechanisms needs)
  --json       one JSON object

The password is asked for on the terminal, or is the first line of standard
input. NAME is an address or a word; upper and lower case are the same.
Exit status: 0 done, or the password is right; 1 not; 64 wrong usage.
`;

/** Reads the words of the command line; a text says what is wrong with them. */
export function parseUserArguments(args: readonly string[]): UserRequest | "help" | { readonly why: string } {
  const words: string[] = [];
  let [schemes, json]: [readonly MadeScheme[], boolean] = [[], false];
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (word === "--help" || word === "-h") return "help";
    if (word === "--json") json = true;
    else if (word === "--scheme") {
      const parsed = parseSchemes(args[++at] ?? "");
      if (typeof parsed === "string") return { why: parsed };
      schemes = parsed;
    } else if (word.startsWith("-")) return { why: `unknown option: "${word}"` };
    else words.push(word);
  }
  const [action, name, ...more] = words;
  if (!isAction(action)) {
    return { why: action === undefined ? "say what to do" : `unknown action: "${action}"` };
  }
  if (more.length > 0 || (action === "list" && name !== undefined)) {
    return { why: `too many words: "${words.at(-1)}"` };
  }
  if (action === "list") return { action, name: "", schemes, json };
  const wrong = nameProblem(name ?? "");
  return wrong === undefined ? { action, name: name!.toLowerCase(), schemes, json } : { why: wrong };
}

function isAction(word: string | undefined): word is UserAction {
  return ACTIONS.some((action) => action === word);
}

function parseSchemes(text: string): readonly MadeScheme[] | string {
  const schemes: MadeScheme[] = [];
  for (const word of text.split(",")) {
    const scheme = MADE_SCHEMES.find((each) => each === word.trim().toUpperCase());
    if (scheme === undefined) return `unknown scheme: "${word}"; there are ${MADE_SCHEMES.join(", ")}`;
    schemes.push(scheme);
  }
  return schemes;
}

/** What would be read as something else in a table, or never be asked for. */
function nameProblem(name: string): string | undefined {
  if (name === "") return "say whom";
  if (/[\s\x00-\x1f\x7f"\\]/.test(name)) return "a name has no blanks, quotes or backslashes";
  if (/^#|:$/.test(name)) return "a name does not begin with # or end with a colon";
  return name.length > 320 ? "a name has 320 characters at most" : undefined;
}
