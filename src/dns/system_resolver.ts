import type { Server } from "./exchange.ts";
import { canonicalAddress } from "./name.ts";
import { parseServer, type ResolvConf, systemResolvConf } from "./resolv_conf.ts";
import { createResolver, type Resolver, type ResolverOptions } from "./resolver.ts";

/** The parameters that say which name servers are asked, and which of them are believed. */
export interface NameServerSettings {
  /** Items of `dns_servers`; none: the servers of /etc/resolv.conf. */
  readonly servers: readonly string[];
  /** dns_trust_ad. */
  readonly trustAd: boolean;
}

/** The resolver of this installation. Throws on an item of `dns_servers` that is no server. */
export function createSystemResolver(dnsServers: readonly string[]): Resolver {
  return createResolver(systemServers(dnsServers));
}

/**
 * The servers asked for DNSSEC validation, with memory of its own: an answer that nobody validated is none to one who asks for
 * validation. Where any of them is believed the others are not asked: what the one has found bogus another may not have looked at.
 */
export function createValidatedResolver(
  settings: NameServerSettings,
  more: Pick<ResolverOptions, "wire"> = {},
): Resolver {
  const { conf, believed, others } = nameServers(settings);
  const servers = believed.length > 0 ? believed : others;
  return createResolver({ ...conf, ...more, servers, trustsAd: (server) => believed.includes(server) });
}

/** The name servers by whether their AD flag counts; that of the others anybody on the way may have set. */
export interface NameServers {
  readonly believed: readonly Server[];
  readonly others: readonly Server[];
}

/** Tells them apart: those of this machine are believed, and all where the operator says so. */
export function nameServers(
  { servers, trustAd }: NameServerSettings,
): NameServers & { readonly conf: ResolvConf } {
  const conf = systemServers(servers);
  const isBelieved = (server: Server) => trustAd || conf.trustAd || isOnThisMachine(server);
  return {
    conf,
    believed: conf.servers.filter(isBelieved),
    others: conf.servers.filter((server) => !isBelieved(server)),
  };
}

/** What nobody on a network can have changed (RFC 6698 §A.3, RFC 7672 §2.2). */
function isOnThisMachine({ host }: Server): boolean {
  const address = canonicalAddress(host);
  return /^127\./.test(address) || address === "0:0:0:0:0:0:0:1";
}

/** The servers that `dns_servers` lists (`address`, `address:port`, `[v6address]:port`), else those of /etc/resolv.conf. */
function systemServers(dnsServers: readonly string[]): ResolvConf {
  const conf = systemResolvConf();
  if (dnsServers.length === 0) return conf;
  const servers = dnsServers.map((item) => {
    const server = parseServer(item);
    if (server === undefined) {
      throw new RangeError(
        `bad dns_servers value "${item}": want an IP address, address:port or [v6address]:port`,
      );
    }
    return server;
  });
  return { ...conf, servers, trustAd: false };
}
