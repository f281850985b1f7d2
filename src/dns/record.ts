/** The kinds of records that mail needs. */
export type RecordType = "A" | "AAAA" | "CNAME" | "MX" | "NS" | "PTR" | "SOA" | "SRV" | "TLSA" | "TXT";

interface Common<Type extends RecordType> {
  readonly type: Type;
  /** Owner, without the final dot. */
  readonly name: string;
  /** Seconds. */
  readonly ttl: number;
}

/** A resource record by type; names come without the final dot, the root is "". */
export type RecordOf<Type extends RecordType> = Extract<DnsRecord, { readonly type: Type }>;

/** Any record that we look up (RFC 1035 §3.3, RFC 2782, RFC 3596, RFC 6698). */
export type DnsRecord =
  | Common<"A"> & { readonly address: string }
  | Common<"AAAA"> & { readonly address: string }
  | Common<"MX"> & { readonly preference: number; readonly exchange: string }
  | Common<"CNAME"> & { readonly target: string }
  | Common<"NS"> & { readonly target: string }
  | Common<"PTR"> & { readonly target: string }
  | Common<"TXT"> & { /** The strings joined, bytes as Latin-1 (RFC 7208 §3.3). */ readonly text: string }
  | Common<"SOA"> & { readonly minimum: number }
  | Common<"SRV"> & {
    readonly priority: number;
    readonly weight: number;
    readonly port: number;
    readonly target: string;
  }
  | Common<"TLSA"> & {
    readonly usage: number;
    readonly selector: number;
    readonly matchingType: number;
    readonly data: Uint8Array;
  };
