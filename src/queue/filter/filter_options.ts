import { splitAddress } from "../../address/address.ts";
import { readAddress } from "../../address/path.ts";
import { parseTime } from "../../config/syntax/value.ts";
import { comparableAddress, comparableDomain } from "./comparable.ts";
import { MOST_CHARACTERS, MOST_VALUES, type QueueFilter } from "./queue_filter.ts";

/** A value as the filter has it, or what should have been written. */
type Value = { readonly is: string } | { readonly expected: string };

type WordField = Exclude<keyof QueueFilter, "olderThan">;

/** What the filter options are called, and how their values are read. */
const WORDS: Readonly<Record<string, { readonly field: WordField; readonly read: (text: string) => Value }>> =
  {
    "--from": { field: "from", read: readSender },
    "--to": { field: "to", read: readPattern },
    "--domain": { field: "domain", read: readDomain },
    "--status": { field: "status", read: readStatus },
  };
const OLDER_THAN = "--older-than";

/** The filter options as a usage text has them. */
export const FILTER_USAGE =
  "[--from address] [--to address] [--domain domain] [--status status] [--older-than time]";

/** What each means, a line each. */
export const FILTER_HELP = `  --from ADDRESS     the sender; * is any text, @example.com all its users,
                     <> for the null sender
  --to ADDRESS       a recipient to whom the message is still to be delivered
  --domain DOMAIN    the domain of such a recipient; .example.com: all below it
  --status STATUS    incoming, active, deferred, hold, expired, or the beginning
                     of the status code of a recipient's deferral: 4.4, 4.7.1
  --older-than TIME  in the queue for at least that long: 90s, 30m, 4h, 2d, 1w
                     An option given several times, or a list a,b: any of them.
                     Different options: all of them.
`;

/** What became of a command's words: the filter, if any option of one was there, and the words that are left. */
export type FilterWords =
  | { readonly filter: QueueFilter | undefined; readonly rest: readonly string[] }
  | { readonly mistake: string };

/** Takes the filter options (`--from X`, `--from=X`) out of a command's words, up to `--`. */
export function takeFilter(args: readonly string[]): FilterWords {
  const rest: string[] = [];
  const found = { from: [], to: [], domain: [], status: [] } as Record<WordField, string[]>;
  let olderThan: number | undefined;
  for (let at = 0; at < args.length; at++) {
    if (args[at] === "--") {
      rest.push(...args.slice(at));
      break;
    }
    const { name, value = args[at + 1], inOne } = optionAt(args[at]!);
    const row = Object.hasOwn(WORDS, name) ? WORDS[name] : undefined;
    if (row === undefined && name !== OLDER_THAN) {
      rest.push(args[at]!);
      continue;
    }
    if (!inOne) at++;
    if (value === undefined || value === "") return { mistake: `option ${name} needs a value` };
    if (row === undefined) {
      const seconds = /^\d+[smhdw]?$/.test(value) ? parseTime(value, "s") : undefined;
      if (seconds === undefined) return { mistake: badValue(name, value, "a time: 90s, 30m, 4h, 2d, 1w") };
      olderThan = Math.max(olderThan ?? 0, seconds * 1000);
      continue;
    }
    for (const each of value.split(",")) {
      const read = row.read(each.trim());
      if ("expected" in read) return { mistake: badValue(name, each, read.expected) };
      found[row.field].push(read.is);
    }
  }
  const tooMuch = excess(found);
  return tooMuch === undefined ? { filter: filterOf(found, olderThan), rest } : { mistake: tooMuch };
}

function optionAt(word: string): { readonly name: string; readonly value?: string; readonly inOne: boolean } {
  const at = word.startsWith("--") ? word.indexOf("=") : -1;
  return at < 0
    ? { name: word, inOne: false }
    : { name: word.slice(0, at), value: word.slice(at + 1), inOne: true };
}

function badValue(option: string, value: string, expected: string): string {
  return `bad value of ${option}: "${value}": ${expected} expected`;
}

function excess(found: Readonly<Record<WordField, readonly string[]>>): string | undefined {
  const all = Object.entries(found);
  const crowded = all.find(([, values]) => values.length > MOST_VALUES);
  if (crowded !== undefined) return `too many values of --${crowded[0]}: at most ${MOST_VALUES}`;
  const characters = all.flatMap(([, values]) => values).join("").length;
  return characters > MOST_CHARACTERS
    ? `the filter is too long: at most ${MOST_CHARACTERS} characters`
    : undefined;
}

function filterOf(
  found: Readonly<Record<WordField, readonly string[]>>,
  olderThan: number | undefined,
): QueueFilter | undefined {
  const filter: QueueFilter = {
    ...(Object.fromEntries(Object.entries(found).filter(([, values]) => values.length > 0)) as QueueFilter),
    ...(olderThan !== undefined && { olderThan }),
  };
  return Object.keys(filter).length === 0 ? undefined : filter;
}

const NULL_SENDER = /^(?:<>|mailer-daemon)$/i;

function readSender(text: string): Value {
  return NULL_SENDER.test(text) ? { is: "<>" } : readPattern(text);
}

/** An address, or a pattern of one: `*` is any text, `@example.com` all users of a domain. */
function readPattern(text: string): Value {
  const bare = /^<(.*)>$/.exec(text)?.[1] ?? text;
  const inner = bare.startsWith('"') ? readAddress(bare) : bare;
  if (inner === undefined || !/[@*]/.test(inner)) {
    return { expected: "an address, user@* for any domain, or @example.com for any user" };
  }
  if (!inner.includes("@")) return { is: inner.toLowerCase() };
  const { local, domain } = splitAddress(inner);
  if (domain === "") return { expected: "a domain after the @ (* for any)" };
  return { is: comparableAddress(`${local === "" ? "*" : local}@${domain}`) };
}

function readDomain(text: string): Value {
  const bare = text.startsWith("@") ? text.slice(1) : text;
  return /^[^\s@]+$/.test(bare) && bare !== "."
    ? { is: comparableDomain(bare) }
    : { expected: "a domain, or .example.com for all below it" };
}

const STATUS = /^(?:incoming|active|deferred|hold|expired|[245](?:\.\d{1,3}){0,2})$/;

function readStatus(text: string): Value {
  const word = text.toLowerCase();
  return STATUS.test(word)
    ? { is: word }
    : { expected: "incoming, active, deferred, hold, expired, or a status code such as 4.7.1" };
}
