import type { DnsAnswer } from "../../../src/dns/answer.ts";
import type { RecordType } from "../../../src/dns/record.ts";
import type { Resolver } from "../../../src/dns/resolver.ts";

/** What a name has: TXT records, nothing of the type asked for, or an answer that fails. Names that are not there do not exist. */
export type TextZone = Readonly<Record<string, readonly string[] | "nodata" | "trouble" | "refused">>;

/** A resolver for TXT records that keeps the names it was asked for. */
export function textZone(zone: TextZone): {
  readonly resolver: Pick<Resolver, "query" | "txt">;
  readonly asked: string[];
} {
  const asked: string[] = [];
  const answerOf = <Type extends RecordType>(name: string, type: Type): DnsAnswer<Type> => {
    asked.push(`${name} ${type}`);
    const known = zone[name];
    if (known === "trouble") return { is: "trouble", why: "Host not found, try again", retry: true };
    if (known === "refused") return { is: "trouble", why: "refused", retry: false };
    if (known === undefined) return { is: "nxdomain", authentic: false };
    if (known === "nodata" || type !== "TXT") return { is: "nodata", authentic: false };
    const records = known.map((text) => ({ type: "TXT" as const, name, ttl: 60, text }));
    return { is: "records", records, canonical: name, authentic: false } as unknown as DnsAnswer<Type>;
  };
  const query = <Type extends RecordType>(name: string, type: Type) => Promise.resolve(answerOf(name, type));
  return { resolver: { query, txt: (name) => query(name, "TXT") }, asked };
}
