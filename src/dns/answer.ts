import type { RecordOf, RecordType } from "./record.ts";

/** "No such name", "no such record" and "could not look" lead to different mail fates, so the type keeps them apart. */
export type DnsAnswer<Type extends RecordType = RecordType> =
  | {
    readonly is: "records";
    /** At least one, of the type asked for. */
    readonly records: readonly RecordOf<Type>[];
    /** Where the CNAME chain ended; the name asked for when there is none. */
    readonly canonical: string;
    /** A resolver that is to be believed vouches for DNSSEC validation, of all aliases on the way too (AD flag, RFC 6840 §5.8). */
    readonly authentic: boolean;
    /** Names of further records that can be no host's. */
    readonly malformed?: readonly string[];
  }
  /** The name exists, this type does not. */
  | { readonly is: "nodata"; readonly authentic: boolean }
  /** The name does not exist. `invalid`: it cannot exist and no server was asked. */
  | { readonly is: "nxdomain"; readonly authentic: boolean; readonly invalid?: boolean }
  /** No answer: SERVFAIL, time-out, no server. `retry` false: the server refuses to ever answer this. */
  | {
    readonly is: "trouble";
    readonly why: string;
    readonly retry: boolean;
    /** The operator's own filter of records is the reason: it leaves nothing, or says nothing that can be understood. */
    readonly filter?: "empty" | "unknown";
    /** There are records, but all name what can be no host. */
    readonly malformed?: readonly string[];
  };

/** An address with its family and time to live. */
export interface Address {
  readonly address: string;
  readonly family: 4 | 6;
  readonly ttl: number;
  /** The name that the address belongs to, and whether that was validated; undefined where it did not come from the DNS. */
  readonly owner?: Owner;
}

/** Whose a record is. */
export interface Owner {
  /** The end of the CNAME chain; the name asked for when there is none. */
  readonly canonical: string;
  /** All of the chain and the record itself are validated. */
  readonly authentic: boolean;
}

/** Which address families to look for. */
export type Families = readonly (4 | 6)[];

/** The answer of a lookup for addresses of any wanted family. */
export type AddressAnswer =
  | { readonly is: "records"; readonly addresses: readonly Address[]; readonly authentic: boolean }
  | NoRecords;

/** A failed lookup, with the record type whose answer decided (Postfix names it in its text). */
export type NoRecords = Exclude<DnsAnswer, { readonly is: "records" }> & { readonly type: "A" | "AAAA" };
