import { systemClock } from "../../base/clock.ts";
import { contains, type Network, parseNetwork } from "../../address/network.ts";
import { parseIp } from "../../address/ip.ts";
import { splitList } from "../../config/syntax/list.ts";
import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import { familiesOf } from "../../delivery/smtp/client_settings.ts";
import type { Resolver } from "../../dns/resolver.ts";
import { AuthorityStore } from "../../tls/verification/authorities.ts";
import { httpsRequest, type HttpsWorld } from "../../tls/https/https_request.ts";
import type { TlsFiles } from "../../tls/tls_files.ts";
import type { AskHttps } from "../../tls/sts/fetch_policy.ts";

/** The parameters by which web servers are asked. */
export const HTTPS_PARAMETERS = [
  "inet_protocols",
  "smtp_tls_CAfile",
  "smtp_tls_CApath",
  "tls_https_denied_networks",
] as const satisfies readonly ParameterName[];

/** Asks web servers that others name: for MTA-STS policies, and to take our reports. */
export function openHttpsClient(
  settings: SettingsOf<typeof HTTPS_PARAMETERS>,
  resolver: Resolver,
  { files, warn }: { readonly files: TlsFiles; readonly warn: (text: string) => void },
): AskHttps {
  const sources = { file: settings.smtp_tls_CAfile, folder: settings.smtp_tls_CApath };
  const authorities = new AuthorityStore({ ...sources, appendSystem: true, systemAlone: true }, files, warn);
  const world: HttpsWorld = {
    resolver,
    families: familiesOf(settings.inet_protocols),
    authorities: () => authorities.current(),
    mayReach: outside(settings.tls_https_denied_networks, warn),
    now: () => systemClock.now(),
  };
  return (request) => httpsRequest(request, world);
}

/** Whether an address lies in none of the networks. What is no address lies in all of them. */
function outside(list: string, warn: (text: string) => void): (address: string) => boolean {
  const networks = splitList(list).flatMap((item): readonly Network[] => {
    const network = parseNetwork(item);
    if (!("malformed" in network)) return [network];
    warn(`tls_https_denied_networks: ${network.malformed}`);
    return [];
  });
  return (address) => {
    const ip = parseIp(address);
    return ip !== undefined && !networks.some((network) => contains(network, ip));
  };
}
