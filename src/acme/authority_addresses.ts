import { parseIp } from "../address/ip.ts";
import { type Hosts, nativeAddresses, systemHosts } from "../dns/hosts.ts";
import type { Resolver } from "../dns/resolver.ts";

/** Addresses of an authority: its own where it is named by one, those of the hosts file, those of the DNS. */
export function authorityAddresses(
  resolver: Resolver,
  hosts: Hosts = systemHosts(),
): Pick<Resolver, "addresses"> {
  return {
    addresses: (name, families, signal) => {
      const literal = parseIp(name);
      if (literal === undefined) return nativeAddresses(hosts, resolver, name, families, signal);
      const address = { address: name, family: literal.family, ttl: 0 };
      return Promise.resolve({ is: "records", addresses: [address], authentic: false });
    },
  };
}
