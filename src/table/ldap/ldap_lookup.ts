import type { LdapEntry, LdapSearch } from "./ldap_codec.ts";
import type { LdapFound } from "./ldap_connection.ts";
import { type LdapFilter, parseFilter } from "./ldap_filter.ts";
import { LdapFault, NO_SUCH_OBJECT, resultText } from "./ldap_result_codes.ts";
import type { LdapSettings } from "./ldap_settings.ts";
import { isLdapUrl, type LdapUrl, parseLdapUrl } from "./ldap_url.ts";
import type { ResultGatherer } from "../query_file/query_result.ts";
import { LookupFault } from "../remote/remote_table.ts";
import { textFromWire } from "../remote/remote_text.ts";

/** What one lookup works with. */
export interface LdapLookupWorld {
  readonly settings: LdapSettings;
  readonly gatherer: ResultGatherer;
  /** Rejects with an LdapFault. */
  readonly search: (search: LdapSearch) => Promise<LdapFound>;
  readonly warn: (text: string) => void;
  /** Values are text in UTF-8, or bytes. */
  readonly encoding: "utf8" | "latin1";
}

const ANY_ENTRY: LdapFilter = { is: "present", attribute: "objectClass" };
/** An attribute of which there is more: `member;range=0-1499`. */
const RANGE = /^(.+);range=[0-9]+-([0-9]+|\*)$/i;
/** Members of a group that are fetched at a time. */
const AHEAD = 16;

/** Gathers the results of the entries that a search has found, and of those that they refer to (ldap_table(5)). */
export class LdapLookup {
  readonly #world: LdapLookupWorld;
  readonly #kinds: readonly (readonly [kind: Kind, attribute: string])[];
  readonly #wanted: readonly string[];

  constructor(world: LdapLookupWorld) {
    this.#world = world;
    const { terminal, leaf, ordinary, special } = world.settings.attributes;
    const named = (kind: Kind, names: readonly string[]) => names.map((name) => [kind, name] as const);
    this.#kinds = [
      ...named("terminal", terminal),
      ...named("leaf", leaf),
      ...named("ordinary", ordinary),
      ...named("special", special),
    ];
    this.#wanted = this.#kinds.map(([, name]) => name);
  }

  /** A search of this table. */
  request(
    base: string,
    scope: LdapSearch["scope"],
    filter: LdapFilter,
    attributes = this.#wanted,
  ): LdapSearch {
    const { sizeLimit, timeout, dereference } = this.#world.settings;
    return { base, scope, filter, attributes, sizeLimit, timeLimit: Math.ceil(timeout / 1000), dereference };
  }

  /** Takes the entries' results; false when there are too many. `path` is where we are: what led to these entries. */
  async take(entries: readonly LdapEntry[], path: readonly string[] = []): Promise<boolean> {
    const { sizeLimit } = this.#world.settings;
    if (sizeLimit > 0 && entries.length > sizeLimit) {
      throw new LookupFault(`Query size limit (${sizeLimit}) exceeded`);
    }
    for (const entry of entries) {
      if (!await this.#takeEntry(entry, path)) return false;
    }
    return true;
  }

  async #takeEntry(entry: LdapEntry, path: readonly string[]): Promise<boolean> {
    const isCut = entry.attributes.some(({ name }) => RANGE.test(name));
    const attributes = isCut ? await this.#withoutRanges(entry) : entry.attributes;
    const has = (kind: Kind) =>
      attributes.some(({ name, values }) => values.length > 0 && this.#kindOf(name) === kind);
    const isTerminal = has("terminal");
    const isLeaf = !has("special");
    for (const { name, values } of attributes) {
      const kind = this.#kindOf(name);
      if (kind === undefined || values.length === 0) continue;
      if (isTerminal ? kind !== "terminal" : kind === "leaf" && !isLeaf) continue;
      const goOn = kind === "special" ? await this.#follow(name, values, path) : this.#add(values);
      if (!goOn) return false;
    }
    return true;
  }

  /**
   * Active Directory returns the values of a large group in pieces of 1500, and the rest only to who asks for it (MS-ADTS
   * 3.1.1.3.1.3.3).
   */
  async #withoutRanges({ dn, attributes }: LdapEntry): Promise<LdapEntry["attributes"]> {
    const whole = [];
    for (const { name, values } of attributes) {
      const range = RANGE.exec(name);
      if (range === null) whole.push({ name, values });
      else {whole.push({
          name: range[1]!,
          values: [...values, ...await this.#rest(dn, range[1]!, range[2]!)],
        });}
    }
    return whole;
  }

  /** The values after the one of that number; `*` says that there are none. */
  async #rest(dn: string, attribute: string, last: string): Promise<Buffer[]> {
    const rest: Buffer[] = [];
    for (let end = last; end !== "*";) {
      const wanted = `${attribute};range=${Number(end) + 1}-*`;
      const { entries } = await this.#world.search(this.request(dn, "base", ANY_ENTRY, [wanted]));
      const piece = entries[0]?.attributes.find(({ name, values }) => RANGE.test(name) && values.length > 0);
      if (piece === undefined) {
        throw new LookupFault(`${dn}: the server does not say what follows ${attribute} ${end}`);
      }
      rest.push(...piece.values);
      end = RANGE.exec(piece.name)![2]!;
    }
    return rest;
  }

  #kindOf(attribute: string): Kind | undefined {
    return this.#kinds.find(([, wanted]) => isSubtype(attribute, wanted))?.[0];
  }

  #add(values: readonly Buffer[]): boolean {
    return values.every((value) => this.#world.gatherer.add(this.#text(value)));
  }

  #text(value: Buffer): string {
    const text = textFromWire(value, this.#world);
    if (text !== undefined) return text;
    throw new LookupFault("non-UTF-8 value: malformed UTF-8 or invalid codepoint", { retry: false });
  }

  /** Looks at the entries that DNs and URLs refer to, some of them ahead, in the order in which they stand. */
  async #follow(attribute: string, values: readonly Buffer[], path: readonly string[]): Promise<boolean> {
    const targets = values.map((value) => value.toString());
    this.#checkDepth(attribute, targets, path);
    const ahead: Promise<LdapFound | undefined>[] = [];
    for (let at = 0; at < targets.length; at++) {
      while (ahead.length < AHEAD && at + ahead.length < targets.length) {
        const search = this.#fetch(targets[at + ahead.length]!);
        search.catch(() => {}); // whoever gets there hears of it; if nobody does, nobody needs it
        ahead.push(search);
      }
      const found = await ahead.shift()!;
      if (found !== undefined && !await this.take(found.entries, [...path, targets[at]!.toLowerCase()])) {
        return false;
      }
    }
    return true;
  }

  /** An entry inside itself would go on until the limit is reached: it is told at once. */
  #checkDepth(attribute: string, targets: readonly string[], path: readonly string[]): void {
    const { recursionLimit } = this.#world.settings;
    const again = targets.find((target) => path.includes(target.toLowerCase()));
    if (path.length + 1 < recursionLimit && again === undefined) return;
    const loop = again === undefined ? "" : ` (it contains itself)`;
    throw new LookupFault(
      `Recursion limit exceeded for special attribute ${attribute}=${again ?? targets[0]}${loop}`,
    );
  }

  /** The entries that a DN or URL refers to; undefined when there are none and that is no fault. */
  async #fetch(target: string): Promise<LdapFound | undefined> {
    const search = isLdapUrl(target) ? this.#urlSearch(target) : this.request(target, "base", ANY_ENTRY);
    if (search === undefined) return undefined;
    try {
      return await this.#world.search(search);
    } catch (error) {
      if (!(error instanceof LdapFault)) throw error;
      if (error.code !== NO_SUCH_OBJECT) throw error;
      this.#world.warn(`DN ${target} not found, skipping`);
      return undefined;
    }
  }

  #urlSearch(text: string): LdapSearch | undefined {
    const url = parseLdapUrl(text);
    if (typeof url === "string") throw new LookupFault(`malformed URL ${text}: ${url}`);
    const attributes = this.#urlAttributes(url);
    if (attributes.length === 0) return undefined;
    const filter = url.filter === undefined ? ANY_ENTRY : parseFilter(url.filter);
    return this.request(url.dn, url.scope ?? "base", filter, attributes);
  }

  /** What both the URL and the table want; of two that differ in options, the one with options. */
  #urlAttributes(url: LdapUrl): readonly string[] {
    if (url.attributes.length === 0) return this.#wanted;
    return url.attributes.flatMap((asked) =>
      this.#wanted.flatMap((wanted) =>
        isSubtype(wanted, asked) ? [wanted] : isSubtype(asked, wanted) ? [asked] : []
      )
    );
  }
}

type Kind = "terminal" | "leaf" | "ordinary" | "special";

/** Whether a description is the wanted one, or that with options (RFC 4512 §2.5). */
function isSubtype(description: string, wanted: string): boolean {
  const [a, b] = [description.toLowerCase(), wanted.toLowerCase()];
  return a === b || a.startsWith(`${b};`);
}

/** Postfix's words for a search that failed. */
export function searchFault(error: LdapFault): LookupFault {
  const detail = error.message.slice(resultText(error.code).length);
  return new LookupFault(`Search error ${error.code}: ${resultText(error.code)}${detail}`, { cause: error });
}
