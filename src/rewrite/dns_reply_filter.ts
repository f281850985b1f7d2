import { type MaybeAsync, then } from "../base/maybe_async.ts";
import type { AddressAnswer, DnsAnswer, Families } from "../dns/answer.ts";
import type { NameKind } from "../dns/name.ts";
import { recordText } from "../dns/record_text.ts";
import type { RecordOf, RecordType } from "../dns/record.ts";
import { addressesBy, ptrBy, type Resolver } from "../dns/resolver.ts";
import type { Maps } from "../table/search/maps.ts";
import type { OpenTables } from "./open_tables.ts";

/** Where a filter tells what it does; `title` names its parameter. */
interface Told {
  readonly title: string;
  readonly note: (text: string) => void;
  readonly warn: (text: string) => void;
}

/** A resolver that leaves out what tables tell it to (smtp_dns_reply_filter and its kin); the same one where there are none. */
export function withReplyFilter(
  resolver: Resolver,
  tables: string,
  openTables: OpenTables | undefined,
  told: Told,
): Resolver {
  const maps = openTables?.maps(tables, told.title)?.whole;
  return maps === undefined ? resolver : new FilteredResolver(resolver, maps, told);
}

const EMPTY = {
  is: "trouble",
  retry: true,
  filter: "empty",
  why: "DNS reply filter drops all results",
} as const;
const UNKNOWN = {
  is: "trouble",
  retry: true,
  filter: "unknown",
  why: "Invalid DNS reply filter syntax",
} as const;

class FilteredResolver implements Resolver {
  readonly #resolver: Resolver;
  readonly #maps: Maps;
  readonly #told: Told;

  constructor(resolver: Resolver, maps: Maps, told: Told) {
    this.#resolver = resolver;
    this.#maps = maps;
    this.#told = told;
  }

  async query<Type extends RecordType>(
    name: string,
    type: Type,
    signal?: AbortSignal,
    names?: NameKind,
  ): Promise<DnsAnswer<Type>> {
    const answer = await this.#resolver.query(name, type, signal, names);
    if (answer.is !== "records") return answer;
    const kept: RecordOf<Type>[] = [];
    for (const record of answer.records) {
      const keeps = await this.#keeps(recordText(record));
      if (keeps === undefined) return UNKNOWN;
      if (keeps) kept.push(record);
    }
    return kept.length === 0 ? EMPTY : { ...answer, records: kept };
  }

  mx(name: string, signal?: AbortSignal): Promise<DnsAnswer<"MX">> {
    return this.query(name, "MX", signal);
  }

  addresses(name: string, families: Families, signal?: AbortSignal): Promise<AddressAnswer> {
    return addressesBy(this, name, families, signal);
  }

  ptr(address: string, signal?: AbortSignal): Promise<DnsAnswer<"PTR">> {
    return ptrBy(this, address, signal);
  }

  txt(name: string, signal?: AbortSignal): Promise<DnsAnswer<"TXT">> {
    return this.query(name, "TXT", signal);
  }

  tlsa(name: string, signal?: AbortSignal): Promise<DnsAnswer<"TLSA">> {
    return this.query(name, "TLSA", signal);
  }

  /** Undefined when the table says nothing that is understood, or cannot be asked. */
  #keeps(text: string): MaybeAsync<boolean | undefined> {
    const { title, note, warn } = this.#told;
    return then(this.#maps.find(text), (answer) => {
      if (answer.is === "absent") return true;
      if (answer.is === "trouble") {
        warn(answer.why);
        return undefined;
      }
      if (/^ignore(?:\s|$)/i.test(answer.value)) {
        note(`ignoring DNS RR: ${text}`);
        return false;
      }
      warn(`${title}: unknown DNS filter action: "${answer.value}" (the only one is IGNORE)`);
      return undefined;
    });
  }
}
