import { systemClock } from "../../base/clock.ts";
import { splitList } from "../../config/syntax/list.ts";
import { ownAddresses } from "../../config/own_addresses.ts";
import type { Configuration } from "../../config/service.ts";
import type { Settings } from "../../config/parameters/settings_type.ts";
import { realWorld } from "../../config/world.ts";
import { type Hosts, systemHosts } from "../../dns/hosts.ts";
import type { Resolver } from "../../dns/resolver.ts";
import { createSystemResolver, createValidatedResolver } from "../../dns/system_resolver.ts";
import type { Log } from "../../observe/log.ts";
import { ownPid } from "../../platform/process/signals.ts";
import { createLocalDomains, type LocalDomains } from "../../rewrite/local_domains.ts";
import { createRewriter, type Rewriter } from "../../rewrite/rewriter.ts";
import { openSrs, type Srs } from "../../rewrite/srs.ts";
import { createForwarding, type Forwarding } from "../../routing/forwarding.ts";
import { withSrs } from "../../routing/srs_router.ts";
import { createOpenTables, type OpenTables } from "../../rewrite/open_tables.ts";
import { createRouter, probeSettings } from "../../routing/router.ts";
import type { Router } from "../../routing/route.ts";
import type { OpenTable, TableContext } from "../../table/context.ts";
import { openTable } from "../../table/table_types.ts";
import { SqlPools } from "../../table/sql/sql_pools.ts";

/** What all services of a worker share: tables, names, ways. */
export interface MailWorld {
  readonly openTables: OpenTables;
  readonly tables: TableContext;
  readonly local: LocalDomains;
  readonly resolver: Resolver;
  /** The one that asks for DNSSEC validation. */
  validatedResolver(): Resolver;
  readonly hosts: Hosts;
  /** Addresses that inet_interfaces stands for. */
  readonly ownAddresses: readonly string[];
  readonly proxyAddresses: readonly string[];
  /** Of main.cf. */
  readonly router: Router;
  readonly rewriter: Rewriter;
  /** The ways of address verification probes (address_verify_transport_maps and its kin). */
  readonly probeRouter: Pick<Router, "route">;
  /** The same for a service's own settings. */
  routerFor(settings: Settings): Router;
  rewriterFor(settings: Settings): Rewriter;
  /** The addresses under which mail is sent on; undefined while srs_domain is empty. Of main.cf. */
  readonly srs: Srs | undefined;
  readonly forwarding: Forwarding | undefined;
  close(): void;
}

/** Stands before the world's parts, to see what they are asked (`mta explain`). */
export interface WorldWatch {
  open(open: OpenTable): OpenTable;
  openTables(openTables: OpenTables): OpenTables;
  resolver(resolver: Resolver): Resolver;
  hosts(hosts: Hosts): Hosts;
  router(router: Router): Router;
}

const UNWATCHED: WorldWatch = {
  open: (open) => open,
  openTables: (openTables) => openTables,
  resolver: (resolver) => resolver,
  hosts: (hosts) => hosts,
  router: (router) => router,
};

/** Opens the tables of main.cf and builds what stands on them. */
export function openMailWorld(
  configuration: Configuration,
  log: Log,
  watch: WorldWatch = UNWATCHED,
): MailWorld {
  const { settings } = configuration;
  const tables: TableContext = {
    directory: configuration.directory,
    parameter: (name) => configuration.parameter(name),
    warn: (text) => log.note("trivial-rewrite", "warning", text),
    clock: () => systemClock.now(),
    sqlPools: new SqlPools(),
    ...(configuration.texts?.lent !== undefined && { lent: configuration.texts.lent }),
  };
  const openTables = watch.openTables(createOpenTables(tables, watch.open(openTable)));
  const own = ownAddresses(settings, realWorld(ownPid(), "master"));
  if (own.is === "bad") throw new Error(own.text);
  const addresses = own.addresses.map(({ address }) => address);
  const local = createLocalDomains(settings, addresses, openTables);
  const srs = openSrs(settings, tables, tables.clock);
  const routed = (of: Settings) => withSrs(createRouter(of, local, openTables), srs);
  const routerFor = (of: Settings) => watch.router(routed(of));
  const rewriterFor = (of: Settings) => createRewriter(of, local, openTables, srs);
  let forProbes: Router | undefined;
  const nameServers = { servers: splitList(settings.dns_servers), trustAd: settings.dns_trust_ad };
  let validated: Resolver | undefined;
  const probeRouter = () => forProbes ??= routed(probeSettings(settings));
  return {
    openTables,
    tables,
    local,
    resolver: watch.resolver(createSystemResolver(nameServers.servers)),
    validatedResolver: () => validated ??= watch.resolver(createValidatedResolver(nameServers)),
    hosts: watch.hosts(systemHosts()),
    ownAddresses: addresses,
    proxyAddresses: splitList(settings.proxy_interfaces),
    router: routerFor(settings),
    probeRouter: { route: (sender, recipient) => probeRouter().route(sender, recipient) },
    rewriter: rewriterFor(settings),
    routerFor,
    rewriterFor,
    srs,
    forwarding: createForwarding(settings, { local, openTables, srs }),
    close: () => openTables.close(),
  };
}
