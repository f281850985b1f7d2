import type { DnsAnswer } from "../../dns/answer.ts";
import type { NameKind } from "../../dns/name.ts";
import type { DnsRecord, RecordType } from "../../dns/record.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { Lookup } from "../explanation.ts";

type Hear = (lookup: Lookup) => void;

/** Longest text of one record that is shown. */
const MAX_SHOWN = 200;

function shown(record: DnsRecord): string {
  switch (record.type) {
    case "A":
    case "AAAA":
      return record.address;
    case "MX":
      return `${record.preference} ${record.exchange === "" ? "." : record.exchange}`;
    case "CNAME":
    case "NS":
    case "PTR":
      return record.target;
    case "TXT":
      return JSON.stringify(record.text.slice(0, MAX_SHOWN));
    default:
      return record.type;
  }
}

function tell(hear: Hear, source: string, key: string, answer: DnsAnswer): void {
  const asked = { kind: "dns", source, key } as const;
  switch (answer.is) {
    case "records":
      return hear({ ...asked, answer: answer.records.map(shown).join(", ") });
    case "trouble":
      return hear({ ...asked, trouble: answer.why });
    case "nodata":
    case "nxdomain":
      return hear(asked);
  }
}

/** A resolver that tells what it is asked and what it answers. */
export function watchResolver(resolver: Resolver, hear: Hear): Resolver {
  const query = async <Type extends RecordType>(
    name: string,
    type: Type,
    signal?: AbortSignal,
    names?: NameKind,
  ) => {
    const answer = await resolver.query(name, type, signal, names);
    tell(hear, type, name, answer as DnsAnswer); // a record of one type is a record
    return answer;
  };
  return {
    query,
    mx: (name, signal) => query(name, "MX", signal),
    txt: (name, signal) => query(name, "TXT", signal),
    tlsa: (name, signal) => query(name, "TLSA", signal),
    async ptr(address, signal) {
      const answer = await resolver.ptr(address, signal);
      tell(hear, "PTR", address, answer);
      return answer;
    },
    async addresses(name, families, signal) {
      const answer = await resolver.addresses(name, families, signal);
      const source = families.map((family) => family === 4 ? "A" : "AAAA").join(", ");
      if (answer.is !== "records") tell(hear, source, name, answer);
      else {
        const found = answer.addresses.map(({ address }) => address).join(", ");
        hear({ kind: "dns", source, key: name, answer: found });
      }
      return answer;
    },
  };
}

/** A resolver that nobody asks: every name is unknown for now (`--no-dns`). */
export const NO_RESOLVER: Resolver = {
  query: () => Promise.resolve(UNASKED),
  mx: () => Promise.resolve(UNASKED),
  txt: () => Promise.resolve(UNASKED),
  tlsa: () => Promise.resolve(UNASKED),
  ptr: () => Promise.resolve(UNASKED),
  addresses: () => Promise.resolve({ ...UNASKED, type: "A" }),
};

const UNASKED = { is: "trouble", why: "not asked (--no-dns)", retry: true } as const;
