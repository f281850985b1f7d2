import { parseServer, systemResolvConf } from "./resolv_conf.ts";
import { createResolver, type Resolver } from "./resolver.ts";

/**
 * The resolver of this installation: the servers that `dns_servers` lists (`address`, `address:port`, `[v6address]:port`),
 * else those of /etc/resolv.conf. Throws on an item that is no server.
 */
export function createSystemResolver(dnsServers: readonly string[]): Resolver {
  if (dnsServers.length === 0) return createResolver(systemResolvConf());
  const servers = dnsServers.map((item) => {
    const server = parseServer(item);
    if (server === undefined) {
      throw new RangeError(
        `bad dns_servers value "${item}": want an IP address, address:port or [v6address]:port`,
      );
    }
    return server;
  });
  const { timeout, attempts } = systemResolvConf();
  return createResolver({ servers, timeout, attempts });
}
