import { isHostname } from "../../address/hostname.ts";
import { asciiDomain } from "../../address/idna.ts";
import type { SigningAlgorithm } from "../../mailauth/dkim/signing_key.ts";

/** What was asked. */
export type DkimRequest =
  | {
    readonly action: "genkey";
    readonly domain: string;
    /** Undefined: made of the date. */
    readonly selector: string | undefined;
    readonly algorithm: SigningAlgorithm;
    readonly bits: number;
    /** Undefined: `dkim` in the configuration directory. */
    readonly directory: string | undefined;
    readonly json: boolean;
  }
  /** `of`: a file from / or . on, or a domain. */
  | { readonly action: "record"; readonly of: string; readonly json: boolean }
  /** No domains: all. */
  | { readonly action: "check"; readonly domains: readonly string[]; readonly json: boolean };

export const DKIM_HELP = `usage: mta [-c config_dir] dkim ACTION

Keys that our own mail is signed with by DKIM (dkim_signing_keys).

  genkey DOMAIN      make a key, in a file that only its owner may read, and
                     tell what to publish and what to write into main.cf
    --selector S     its selector (default: mta and the month: mta202611)
    --ed25519        an Ed25519 key (default: RSA); sign with both
    --bits N         of an RSA key, 1024 to 4096 (default: 2048)
    --directory D    where the file goes (default: config_dir/dkim)
  record FILE        the TXT record of the key in a file
  record DOMAIN      those of the keys that a domain's mail is signed with
  check [DOMAIN ...] compare the keys with what is published; all of them, and
                     those of $myorigin, $mydomain and $myhostname
  --json             one JSON object

Exit status: 0 done, and all keys are published; 1 not; 2 the DNS did not
answer, or a key is for others to read; 64 wrong usage.
`;

type Faulty = { readonly why: string };

/** Reads the words of the command line; a text says what is wrong with them. */
export function parseDkimArguments(args: readonly string[]): DkimRequest | "help" | Faulty {
  const options = new Map<string, string>();
  const words: string[] = [];
  for (let at = 0; at < args.length; at++) {
    const word = args[at]!;
    if (word === "--help" || word === "-h") return "help";
    if (!word.startsWith("-")) words.push(word);
    else if (FLAGS.has(word)) options.set(word, "");
    else if (!VALUED.has(word)) return { why: `unknown option: "${word}"` };
    else {
      const value = args[++at];
      if (value === undefined) return { why: `${word} needs a value` };
      options.set(word, value);
    }
  }
  const [action = "", ...named] = words;
  const json = options.delete("--json");
  switch (action) {
    case "genkey":
      return genkey(named, options, json);
    case "record":
      if (named.length !== 1) return { why: "name one file or domain" };
      return options.size > 0 ? unfitting(options) : { action, of: named[0]!, json };
    case "check":
      return options.size > 0 ? unfitting(options) : { action, domains: named.map(domainOf), json };
    default:
      return { why: action === "" ? "say what to do" : `unknown action: "${action}"` };
  }
}

const FLAGS: ReadonlySet<string> = new Set(["--json", "--ed25519"]);
const VALUED: ReadonlySet<string> = new Set(["--selector", "--bits", "--directory"]);

const unfitting = (options: ReadonlyMap<string, string>): Faulty => ({
  why: `${[...options.keys()][0]} is an option of genkey`,
});

const domainOf = (word: string) => asciiDomain(word).toLowerCase().replace(/\.$/, "");

function genkey(
  named: readonly string[],
  options: ReadonlyMap<string, string>,
  json: boolean,
): DkimRequest | Faulty {
  const domain = domainOf(named[0] ?? "");
  if (named.length !== 1) return { why: "name one domain" };
  if (!isHostname(domain) || !domain.includes(".")) return { why: `this is no domain: "${named[0]}"` };
  const selector = options.get("--selector");
  if (selector !== undefined && !SELECTOR.test(selector)) {
    return { why: `a selector has letters, digits, dots and hyphens: "${selector}"` };
  }
  const bits = Number(options.get("--bits") ?? DEFAULT_BITS);
  if (!(Number.isInteger(bits) && bits >= 1024 && bits <= 4096)) return { why: "--bits is 1024 to 4096" };
  const isEd = options.has("--ed25519");
  if (isEd && options.has("--bits")) return { why: "an Ed25519 key has no --bits" };
  return {
    action: "genkey",
    domain,
    selector: selector?.toLowerCase(),
    algorithm: isEd ? "ed25519-sha256" : "rsa-sha256",
    bits,
    directory: options.get("--directory"),
    json,
  };
}

const DEFAULT_BITS = 2048;
/** Labels of the DNS, with a dot between them. */
const SELECTOR = /^(?=.{1,63}$)[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9]))*(?<=[A-Za-z0-9])$/;
