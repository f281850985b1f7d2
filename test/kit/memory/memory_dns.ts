// A resolver that answers from a table, for tests that need no name server. The table is that of `dns_server.ts`.
import type { DnsAnswer } from "../../../src/dns/answer.ts";
import type { NameKind } from "../../../src/dns/name.ts";
import { anyName, queryName } from "../../../src/dns/name.ts";
import type { DnsRecord, RecordType } from "../../../src/dns/record.ts";
import type { Resolver } from "../../../src/dns/resolver.ts";
import type { Zone } from "../servers/dns_server.ts";

const TTL = 300;
/** Longest chain of aliases. */
const CHAIN = 8;

/** A resolver for a zone, and what it was asked: `A example.com`. What goes wrong is trouble; `silent` waits for the signal. */
export function memoryDns(zone: Zone): Pick<Resolver, "query"> & { readonly asked: string[] } {
  const folded = new Map(Object.entries(zone).map(([name, entry]) => [name.toLowerCase(), entry]));
  const asked: string[] = [];
  const find = async (
    name: string,
    type: RecordType,
    signal: AbortSignal | undefined,
    depth = 0,
  ): Promise<DnsAnswer> => {
    const entry = folded.get(name.toLowerCase());
    if (entry === undefined) return { is: "nxdomain", authentic: false };
    const wanted = typeof entry === "string" ? entry : entry[type];
    if (wanted === "NXDOMAIN") return { is: "nxdomain", authentic: false };
    if (wanted === "silent") await aborted(signal);
    if (typeof wanted === "string") return { is: "trouble", why: wanted, retry: wanted === "SERVFAIL" };
    if (wanted !== undefined && wanted.length > 0) {
      const records = wanted.map((text) => recordOf(name, type, text));
      return { is: "records", records, canonical: name, authentic: false };
    }
    const alias = typeof entry === "string" ? undefined : entry.CNAME;
    if (alias === undefined || typeof alias === "string") return { is: "nodata", authentic: false };
    if (depth === CHAIN) return { is: "trouble", why: "CNAME loop", retry: true };
    return await find(alias[0]!, type, signal, depth + 1);
  };
  return {
    asked,
    query: async <Type extends RecordType>(
      text: string,
      type: Type,
      signal?: AbortSignal,
      names?: NameKind,
    ) => {
      const name = names === "any" ? anyName(text) : queryName(text);
      if (name === undefined) return { is: "nxdomain", authentic: false, invalid: true };
      asked.push(`${type} ${name}`);
      return await find(name, type, signal) as DnsAnswer<Type>; // records are of the type asked for
    },
  };
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) resolve();
    signal?.addEventListener("abort", () => resolve(), { once: true });
  });
}

function recordOf(name: string, type: RecordType, text: string): DnsRecord {
  const common = { name, ttl: TTL };
  switch (type) {
    case "A":
    case "AAAA":
      return { ...common, type, address: text };
    case "MX": {
      const [preference = "", exchange = ""] = text.split(" ");
      return { ...common, type, preference: Number(preference), exchange };
    }
    case "CNAME":
    case "NS":
    case "PTR":
      return { ...common, type, target: text };
    case "TXT":
      return { ...common, type, text };
    default:
      throw new RangeError(`no records of type ${type} in a test's zone`);
  }
}
