import type { Server } from "./exchange.ts";
import { canonicalAddress } from "./name.ts";
import { parseServer, type ResolvConf, systemResolvConf } from "./resolv_conf.ts";
import { createResolver, type Resolver } from "./resolver.ts";

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
 * The same servers asked for DNSSEC validation, with memory of its own: an answer that nobody validated is none to one who
 * asks for validation.
 */
export function createValidatedResolver({ servers, trustAd }: NameServerSettings): Resolver {
  const conf = systemServers(servers);
  const all = trustAd || conf.trustAd;
  return createResolver({ ...conf, trustsAd: (server) => all || isOnThisMachine(server) });
}

/** The name servers whose AD flag does not count, as anybody on the way may have set it. */
export function unbelievedServers({ servers, trustAd }: NameServerSettings): readonly string[] {
  const conf = systemServers(servers);
  if (trustAd || conf.trustAd) return [];
  return conf.servers.filter((server) => !isOnThisMachine(server)).map(({ host }) => host);
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
