import { type Ip, parseIp } from "../../address/ip.ts";
import { contains, parseNetwork } from "../../address/network.ts";
import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import { commentText, splitMatchList } from "../../config/syntax/list.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import type { OpenTable, TableContext } from "../context.ts";
import { fileBacked } from "../text/file_backed.ts";
import { foldKey } from "../text/fold.ts";
import { readTableFile } from "../text/table_file.ts";
import { logicalLines } from "../text/source_lines.ts";
import { shownSpec } from "../shown_spec.ts";
import type { Answer, Table } from "../table.ts";

/** What a match list says of a name or address. Trouble comes only when the matching reaches a broken item. */
export type Match =
  | { readonly is: "yes"; readonly by?: MatchedItem }
  | { readonly is: "no"; readonly by?: MatchedItem }
  | { readonly is: "trouble"; readonly why: string };

/** The item that decided, and where it stands when that is a file the list names. */
export interface MatchedItem {
  readonly item: string;
  readonly file?: string;
  readonly line?: number;
}

const NO: Match = { is: "no" };

/** How a list opens the tables that it names. */
export interface ListTables {
  readonly context: TableContext;
  readonly open: OpenTable;
}

/** How a list treats domains. */
export interface MatchOptions {
  /** `example.com` also matches its subdomains (the list is named in parent_domain_matches_subdomains). */
  readonly parentMatches: boolean;
  /** Whole names only, in tables too, and `.domain` is nothing special (`mydestination`, `virtual_alias_domains`). */
  readonly exact?: boolean;
  /** Name of the parameter, for messages. */
  readonly title?: string;
}

/** A list of domain patterns: `mydestination`, `relay_domains`. */
export interface DomainList {
  matches(domain: string): MaybeAsync<Match>;
  readonly isEmpty: boolean;
  close(): void;
}

/** A list of client patterns: `mynetworks`, `debug_peer_list`. */
export interface AddressList {
  /** Addresses are canonical text; `name` is the client's name, `unknown` where it has none (`!unknown` must match that). */
  matches(address: string, name?: string): MaybeAsync<Match>;
  readonly isEmpty: boolean;
  close(): void;
}

/** The value that is matched: a folded name, an address, or both. */
interface Subject {
  readonly name: string | undefined;
  readonly address: string | undefined;
}

/** Undefined: this pattern says nothing, the next one is asked. */
type Pattern = (subject: Subject) => MaybeAsync<Match | undefined>;

/** Tables are `type:name`; a bracketed IPv6 address has colons too (match_list, postconf(5)). */
const isTable = (item: string) => item.includes(":") && !item.startsWith("[");

const trouble = (why: string): Match => ({ is: "trouble", why });

/** A file is read as it is, separators, comments and continuation lines included; it may name further files. */
const DEEPEST_INCLUDE = 20;

class ListReader {
  readonly #options: MatchOptions;
  readonly #from: ListTables;
  /** Tables and included files. */
  readonly #parts: { close(): void }[] = [];

  constructor(options: MatchOptions, from: ListTables) {
    this.#options = options;
    this.#from = from;
  }

  read(text: string, depth = 0, place: Omit<MatchedItem, "item"> = {}): Pattern[] {
    const { items, comment } = splitMatchList(text);
    // In main.cf itself the configuration's check has said it, with file and line.
    if (comment !== undefined && place.file !== undefined) this.#warnOfComment(comment, place);
    return items.map((item) => this.#pattern(item, depth, place));
  }

  #warnOfComment(comment: string, { file, line }: Omit<MatchedItem, "item">): void {
    const text = commentText(this.#options.title ?? "match list", comment);
    this.#from.context.warn(`${text} (${file}, line ${line}; write it on a line of its own)`);
  }

  close(): void {
    for (const part of this.#parts) part.close();
  }

  #pattern(item: string, depth: number, place: Omit<MatchedItem, "item">): Pattern {
    const bare = item.replace(/^!+/, "");
    const negated = (item.length - bare.length) % 2 === 1;
    if (bare === "") return () => trouble(`no pattern after '!' in ${this.#options.title ?? "match list"}`);
    const yes: Match = { is: "yes", by: { item: bare, ...place } };
    const pattern = this.#positive(bare, depth, yes);
    return negated ? negate(pattern, { item, ...place }) : pattern;
  }

  #positive(item: string, depth: number, yes: Match): Pattern {
    if (item.startsWith("/")) return this.#file(item, depth);
    if (isTable(item)) return this.#table(item, yes);
    return literal(foldKey(item), this.#options, yes);
  }

  #file(path: string, depth: number): Pattern {
    if (depth >= DEEPEST_INCLUDE) {
      return () => this.#trouble(`${path}: files are nested more than ${DEEPEST_INCLUDE} deep`);
    }
    let inside: ListReader | undefined;
    this.#parts.push({ close: () => inside?.close() });
    const { context } = this.#from;
    const content = fileBacked<readonly Pattern[]>({
      path,
      clock: context.clock,
      load: () => {
        const lines = linesOf(readTableFile(path, context));
        inside?.close();
        const reader = inside = new ListReader(this.#options, this.#from);
        return lines.flatMap(({ text, line }) => reader.read(text, depth + 1, { file: path, line }));
      },
      failed: (error) => [() => trouble(`open file ${path}: ${systemErrorText(error)}`)],
    });
    content.current(); // the operator hears of comments at the start
    return (subject) => firstOf(content.current(), 0, subject);
  }

  /** The list is named first, as in all that Postfix says of one (match_list). */
  #trouble(why: string): Match {
    const { title } = this.#options;
    return trouble(title === undefined ? why : `${title}: ${why}`);
  }

  #table(spec: string, yes: Match): Pattern {
    const table = this.#from.open(spec, this.#from.context);
    this.#parts.push(table);
    const { parentMatches, exact } = this.#options;
    const asked: ListTable = { table, yes, trouble: (why) => this.#trouble(why) };
    return ({ name, address }) => {
      const keys = name === undefined ? [] : namesToTry(name, table.pattern || exact === true, parentMatches);
      if (address !== undefined && address !== "") keys.push(address);
      return inTable(asked, keys, 0);
    };
  }
}

function linesOf(bytes: Buffer): { readonly text: string; readonly line: number }[] {
  const lines: { text: string; line: number }[] = [];
  const each = (bytes: Buffer, start: number, end: number, line: number) =>
    void lines.push({ text: bytes.toString("utf8", start, end), line });
  logicalLines(bytes, each, () => {});
  return lines;
}

function negate(pattern: Pattern, by: MatchedItem): Pattern {
  const [yes, no]: readonly [Match, Match] = [{ is: "yes", by }, { is: "no", by }];
  const flip = (match: Match | undefined) => match?.is === "yes" ? no : match?.is === "no" ? yes : match;
  return (subject) => {
    const match = pattern(subject);
    return isPromise(match) ? match.then(flip) : flip(match);
  };
}

/** The name itself, and its parents unless the table sees only whole keys; with a leading dot unless parents match bare. */
function namesToTry(name: string, wholeOnly: boolean, parentMatches: boolean): string[] {
  const names = [name];
  if (wholeOnly) return names;
  for (let dot = name.indexOf(".", 1); dot >= 0; dot = name.indexOf(".", dot + 1)) {
    const parent = name.slice(parentMatches ? dot + 1 : dot);
    if (parent !== "" && parent !== ".") names.push(parent);
  }
  return names;
}

/** A table in a list: what a hit says, and how its troubles are told. */
interface ListTable {
  readonly table: Table;
  readonly yes: Match;
  readonly trouble: (why: string) => Match;
}

function inTable(
  list: ListTable,
  keys: readonly string[],
  start: number,
): MaybeAsync<Match | undefined> {
  for (let at = start; at < keys.length; at++) {
    const answer = list.table.lookup(keys[at]!);
    if (isPromise(answer)) {
      return answer.then((later) => ofAnswer(later, list) ?? inTable(list, keys, at + 1));
    }
    const match = ofAnswer(answer, list);
    if (match !== undefined) return match;
  }
  return undefined;
}

function ofAnswer(answer: Answer, { table, yes, trouble }: ListTable): Match | undefined {
  if (answer.is === "found") return yes;
  if (answer.is === "absent") return undefined;
  return trouble(`${shownSpec(table.spec)}: table lookup problem: ${answer.why}`);
}

/** A name, `.domain`, address or network written into the list itself. */
function literal(pattern: string, options: MatchOptions, yes: Match): Pattern {
  const name = options.exact === true
    ? (text: string) => text === pattern
    : namePattern(pattern, options.parentMatches);
  const address = addressPattern(pattern, options.title, yes);
  return (subject) => {
    if (subject.name !== undefined && name(subject.name)) return yes;
    return subject.address === undefined ? undefined : address(subject.address);
  };
}

function namePattern(pattern: string, parentMatches: boolean): (name: string) => boolean {
  const suffix = parentMatches ? `.${pattern}` : pattern.startsWith(".") ? pattern : undefined;
  return (name) =>
    name === pattern || (suffix !== undefined && name.length > suffix.length && name.endsWith(suffix));
}

let last: { readonly text: string; readonly ip: Ip | undefined } = { text: "", ip: undefined };

/** The address, read once for all networks that one client is compared with, and for all of his commands. */
function parsedIp(text: string): Ip | undefined {
  if (text !== last.text) last = { text, ip: parseIp(text) };
  return last.ip;
}

const COULD_BE_ADDRESS = /^[0-9a-f.:[\]/]*$/;

/**
 * A broken network is trouble only for an address of its family that reaches it; a plain word that merely is no address
 * says nothing, so that names may stand in the same list.
 */
function addressPattern(
  pattern: string,
  title: string | undefined,
  yes: Match,
): (address: string) => Match | undefined {
  const isNetwork = pattern.includes("/") || pattern.includes(":") || parseIp(pattern) !== undefined;
  if (
    !COULD_BE_ADDRESS.test(pattern) || !isNetwork ||
    !/[^0-9.]/.test(pattern) && parseIp(pattern) === undefined
  ) {
    return () => undefined;
  }
  const network = parseNetwork(pattern);
  if ("malformed" in network) {
    const answer = trouble(`${title === undefined ? "" : `${title}: `}${network.malformed}`);
    const family = pattern.includes(":") ? 6 : 4;
    return (address) => (address.includes(":") ? 6 : 4) === family ? answer : undefined;
  }
  return (address) => {
    const ip = parsedIp(address);
    return ip !== undefined && contains(network, ip) ? yes : undefined;
  };
}

function firstOf(
  patterns: readonly Pattern[],
  start: number,
  subject: Subject,
): MaybeAsync<Match | undefined> {
  for (let at = start; at < patterns.length; at++) {
    const match = patterns[at]!(subject);
    if (isPromise(match)) return match.then((later) => later ?? firstOf(patterns, at + 1, subject));
    if (match !== undefined) return match;
  }
  return undefined;
}

function answerOf(patterns: readonly Pattern[], subject: Subject): MaybeAsync<Match> {
  const match = firstOf(patterns, 0, subject);
  return isPromise(match) ? match.then((later) => later ?? NO) : match ?? NO;
}

/** Opens a list of domain patterns (main.cf lists: `!item`, `/file`, `type:name`, `.domain`; first match wins). */
export function openDomainList(text: string, options: MatchOptions, tables: ListTables): DomainList {
  const reader = new ListReader(options, tables);
  const patterns = reader.read(text);
  return {
    isEmpty: patterns.length === 0,
    matches: (domain) => answerOf(patterns, { name: foldKey(domain), address: undefined }),
    close: () => reader.close(),
  };
}

/** Opens a list of client patterns: addresses, networks, and names; `mynetworks` takes all three. */
export function openAddressList(text: string, options: MatchOptions, tables: ListTables): AddressList {
  const reader = new ListReader(options, tables);
  const patterns = reader.read(text);
  return {
    isEmpty: patterns.length === 0,
    matches: (address, name) => {
      return answerOf(patterns, { name: name === undefined ? undefined : foldKey(name), address });
    },
    close: () => reader.close(),
  };
}
