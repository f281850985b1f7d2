import { systemClock } from "../../base/clock.ts";
import { type MaybeAsync, then } from "../../base/maybe_async.ts";
import { families } from "../../config/own_addresses.ts";
import type { Settings } from "../../config/parameters/settings_type.ts";
import type { Service } from "../../config/service.ts";
import { smtpdBehind } from "../../config/smtpd_behind.ts";
import type { Log } from "../../observe/log.ts";
import type { OpenTables } from "../../rewrite/open_tables.ts";
import type { MailWorld } from "./mail_world.ts";
import { defer } from "../../smtp/reply.ts";
import { noServer } from "../../smtpd/listener/no_server.ts";
import type { Smtpd } from "../../smtpd/smtpd.ts";
import { behindProxy, type UpstreamProxy } from "../../smtpd/listener/upstream_proxy.ts";
import { closedServer, openSmtpd, type SmtpdParts } from "./smtpd_services.ts";

/** Parameters that say whether a service's connections come through a proxy. */
export const UPSTREAM_PROXY_PARAMETERS = [
  "smtpd_upstream_proxy_protocol",
  "smtpd_upstream_proxy_timeout",
  "smtpd_upstream_proxy_networks",
  "postscreen_upstream_proxy_protocol",
  "postscreen_upstream_proxy_timeout",
  "inet_protocols",
  "myhostname",
  "smtpd_client_port_logging",
] as const satisfies readonly (keyof Settings)[];

/** What a listener's connections go to: smtpd, with what stands before it (a proxy's header, postscreen's lists). */
export function openListener(service: Service, services: readonly Service[], parts: SmtpdParts): Smtpd {
  const log = parts.context.logFor(service.settings);
  const { closed } = service;
  if (closed !== undefined) return closedServer(service, closed, log);
  const server = openServer(service, services, parts, log);
  const proxy = upstreamProxy(service, log, parts.world);
  return proxy === undefined ? server : behindProxy(server, proxy);
}

function openServer(service: Service, services: readonly Service[], parts: SmtpdParts, log: Log): Smtpd {
  const smtpd = smtpdBehind(service, services);
  if (smtpd.closed !== undefined) return closedServer(smtpd, smtpd.closed, log);
  if (smtpd.program === "smtpd") return openSmtpd(smtpd, parts, smtpd === service ? undefined : service);
  const name = service.settings.smtpd_service_name;
  return noServer(defer(421, "4.3.2", "All server ports are busy"), () => {
    const why = `no smtpd of type pass named "${name}" in master.cf (smtpd_service_name)`;
    log.note("postscreen", "warning", `cannot connect to service private/${name}: ${why}`);
  });
}

function upstreamProxy(
  { program, settings }: Service,
  log: Log,
  { openTables }: Pick<MailWorld, "openTables">,
): UpstreamProxy | undefined {
  const of = program === "postscreen" ? "postscreen" : "smtpd";
  if (settings[`${of}_upstream_proxy_protocol`] === "") return undefined;
  return {
    program: of,
    timeout: settings[`${of}_upstream_proxy_timeout`] * 1000,
    families: new Set(families(settings.inet_protocols) ?? []),
    myhostname: settings.myhostname,
    portLogging: settings.smtpd_client_port_logging,
    log,
    clock: systemClock,
    trusts: trustedProxies(settings, openTables, log),
  };
}

/** smtpd_upstream_proxy_networks; undefined where it is empty. A list that cannot be asked trusts nobody. */
function trustedProxies(
  settings: Settings,
  openTables: OpenTables,
  log: Log,
): ((address: string) => MaybeAsync<boolean>) | undefined {
  const title = "smtpd_upstream_proxy_networks";
  const list = openTables.addresses(settings[title], { parentMatches: false, title });
  return list && ((address) =>
    then(list.matches(address, undefined), (match) => {
      if (match.is === "trouble") log.note("smtpd", "warning", `${title}: ${match.why}`);
      return match.is === "yes";
    }));
}
