import { reverseName } from "../dns/name.ts";

/** A record of an address, as a zone file has it. */
export function addressRecord(name: string, address: string): string {
  return `${name}. ${address.includes(":") ? "AAAA" : "A"} ${address}`;
}

/** The record that leads from an address to a name. Whoever owns the address publishes it: the provider. */
export function pointerRecord(address: string, name: string): string {
  return `${reverseName(address) ?? address}. PTR ${name}.`;
}
