import { anyName, queryName } from "../../dns/name.ts";

/** Whether what a client says it is, or writes for, is a domain at all: a host name of several labels (RFC 7208 §4.3). */
export function isMailDomain(domain: string): boolean {
  return queryName(domain)?.includes(".") === true;
}

/** Whether a domain that a record names can have a record of its own: any name of several labels (RFC 7208 §4.3, §4.8). */
export function mayHaveRecord(domain: string): boolean {
  return anyName(domain)?.includes(".") === true;
}
