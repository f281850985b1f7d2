import { createRelayWords, type RelayWords } from "../access/relay_proof/relay_words.ts";
import { proveRelay, type RelayProof } from "../access/relay_proof/relay_proof.ts";
import { systemClock } from "../base/clock.ts";
import { hiddenGateways } from "../config/container_gateway.ts";
import { listenAddresses } from "../config/listen_address.ts";
import { splitList } from "../config/syntax/list.ts";
import { ownAddresses } from "../config/own_addresses.ts";
import { type Configuration, type Service, serviceKey } from "../config/service.ts";
import { realWorld, type World } from "../config/world.ts";
import { ownPid } from "../platform/process/signals.ts";
import { createLocalDomains } from "../rewrite/local_domains.ts";
import { createOpenTables, type OpenTables } from "../rewrite/open_tables.ts";
import { createRouter } from "../routing/router.ts";
import type { OpenTable } from "../table/context.ts";
import { isInProcess, openTable } from "../table/table_types.ts";
import { ABSENT, type Table } from "../table/table.ts";
import { LISTENING_PROGRAMS } from "../config/listening_endpoints.ts";
import { smtpdBehind } from "../config/smtpd_behind.ts";

/** What the proof against open relay says of a configuration; a `fatal` finding forbids to serve it. */
export interface RelayFinding {
  readonly level: "fatal" | "warning" | "info";
  readonly text: string;
  /** The service, as `name/type`; the gateway of a container is none's. */
  readonly service?: string;
}

/**
 * Proves for every smtpd that strangers can reach that none of them relays, or shows the session in which one does. Tables on
 * other hosts are not asked.
 */
export async function proveServices(configuration: Configuration, world?: World): Promise<RelayFinding[]> {
  const here = world ?? realWorld(ownPid(), "master");
  const services = reachable(configuration, here);
  if (services.length === 0) return [];
  const input = openGround(configuration, here);
  try {
    const findings = await gatewaysIn(configuration, here, input.openTables);
    for (const service of services) findings.push(...findingsOf(await input.prove(service), service));
    return findings;
  } finally {
    input.openTables.close();
  }
}

/** What the proof has against one service, wherever it listens; `open` opens its tables, perhaps with an edit in them. */
export async function findingsAgainst(
  configuration: Configuration,
  service: Service,
  open: (open: OpenTable) => OpenTable,
): Promise<readonly string[]> {
  const input = openGround(configuration, realWorld(ownPid(), "master"), open(openTable));
  try {
    const findings = findingsOf(await input.prove(service), service);
    return findings.filter(({ level }) => level !== "info").map(({ text }) => text);
  } finally {
    input.openTables.close();
  }
}

/** The smtpd services that listen on more than the machine's own loopback; one behind several doors is there once. */
function reachable({ services, settings }: Configuration, world: World): readonly Service[] {
  const doors = services.filter(({ type, program }) => type === "inet" && LISTENING_PROGRAMS.has(program))
    .filter(({ name, program, settings: own }) => {
      // Whoever the proxy serves comes in, wherever we listen for the proxy.
      if (own[`${program === "postscreen" ? "postscreen" : "smtpd"}_upstream_proxy_protocol`] !== "") {
        return true;
      }
      const found = listenAddresses(name, settings, world);
      return found.is === "bad" || found.addresses.some(({ host }) => !isLoopback(host));
    });
  return [...new Set(doors.map((door) => smtpdBehind(door, services)))];
}

/** Gateways of this container that a table in mynetworks contains; the configuration's own check knows those in networks. */
async function gatewaysIn(
  configuration: Configuration,
  world: World,
  openTables: OpenTables,
): Promise<RelayFinding[]> {
  const written = configuration.settings.mynetworks.replace(/^(?:!\[?[0-9a-f.:]+\]?, )+/, "");
  const options = { parentMatches: false, title: "mynetworks" };
  const findings: RelayFinding[] = [];
  for (const { address, mention } of hiddenGateways(written, world)) {
    if (mention !== "perhaps" || configuration.settings.trust_container_gateway) continue;
    const match = await openTables.addresses(written, options)?.matches(address);
    if (match?.is === "yes") findings.push({ level: "warning", text: gatewayText(address) });
  }
  return findings;
}

function gatewayText(address: string): string {
  return `mynetworks contains ${address}, this container's default gateway: a proxy there lends its address to every client, ` +
    `so it is not trusted; ${address} in mynetworks, by itself, or trust_container_gateway = yes would trust it`;
}

/** The parameters that say which domains are ours (ADDRESS_CLASS_README). */
const OUR_DOMAINS = [
  "mydestination",
  "relay_domains",
  "virtual_alias_domains",
  "virtual_mailbox_domains",
] as const;

/** Whether a list has a table that would have to ask another program or host. */
function asksSomebody(list: string): boolean {
  return splitList(list).some((word) => {
    const type = /^!?(?:proxy:)?([a-z_]+):/.exec(word)?.[1];
    return type !== undefined && !isInProcess(type);
  });
}

const isLoopback = (host: string) => host.startsWith("127.") || host === "::1";

/** The tables of a configuration, and the proof for each of its services. */
function openGround(configuration: Configuration, world: World, open: OpenTable = openTable) {
  const { settings, directory } = configuration;
  const openTables = createOpenTables({
    directory,
    parameter: (name) => configuration.parameter(name),
    warn: () => {}, // whoever serves from the table says it
    clock: () => systemClock.now(),
    standIn: (type, spec) => isInProcess(type) ? undefined : silentTable(spec),
  }, open);
  const own = ownAddresses(settings, world);
  const addresses = own.is === "bad" ? [] : own.addresses.map(({ address }) => address);
  const local = createLocalDomains(settings, addresses, openTables);
  const prove = (service: Service): Promise<RelayProof> =>
    proveRelay(service, {
      openTables,
      local,
      router: createRouter(service.settings, local, openTables),
      clock: () => systemClock.now(),
      domainsUnknown: OUR_DOMAINS.some((name) => asksSomebody(service.settings[name])),
    });
  return { openTables, prove };
}

/** In place of a table that would have to ask somebody. */
function silentTable(spec: string): Table {
  return { spec, pattern: false, lookup: () => ABSENT, close: () => {} };
}

function findingsOf(proof: RelayProof, service: Service): RelayFinding[] {
  const words = wordsFor(service);
  const open = service.settings.allow_open_relay;
  const level = open ? "warning" as const : "fatal" as const;
  return [
    ...words.witnesses(proof.witnesses, open).map((text) => ({ level, text })),
    ...words.doubts(proof.doubts).map((text) => ({ level: "warning" as const, text })),
    ...words.loosely(proof.loosely).map((text) => ({ level: "warning" as const, text })),
    ...words.surely(proof.surely).map((text) => ({ level: "info" as const, text })),
  ].map((finding) => ({ ...finding, service: serviceKey(service) }));
}

function wordsFor({ name, type, line }: Service): RelayWords {
  return createRelayWords(`service ${name}/${type} (master.cf, line ${line})`);
}
