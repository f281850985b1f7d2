import type { AddressAnswer, DnsAnswer, Families } from "./answer.ts";
import type { RecordType } from "./record.ts";

/** Looks names up in the DNS. Never rejects for a DNS reason: what went wrong is a `trouble` answer. */
export interface Resolver {
  /** Records of one type; CNAMEs are followed. An aborted signal gives `trouble`. */
  query<Type extends RecordType>(name: string, type: Type, signal?: AbortSignal): Promise<DnsAnswer<Type>>;
  /** Mail exchangers, unsorted as the server gave them. A null MX is one record with exchange "" (RFC 7505). */
  mx(name: string, signal?: AbortSignal): Promise<DnsAnswer<"MX">>;
  /** Addresses of the wanted families, in that order; the first family's failure decides when there are none. */
  addresses(name: string, families: Families, signal?: AbortSignal): Promise<AddressAnswer>;
  /** The PTR records of an IP address. */
  ptr(address: string, signal?: AbortSignal): Promise<DnsAnswer<"PTR">>;
  txt(name: string, signal?: AbortSignal): Promise<DnsAnswer<"TXT">>;
  tlsa(name: string, signal?: AbortSignal): Promise<DnsAnswer<"TLSA">>;
}
