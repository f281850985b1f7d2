import type { Configuration, Service } from "../../../config/service.ts";
import { splitList } from "../../../config/syntax/list.ts";
import type { TableContext } from "../../../table/context.ts";
import type { Possible } from "../../../table/table.ts";
import { isInProcess, openTable } from "../../../table/table_types.ts";
import type { Finding } from "../finding.ts";
import { tablePlace } from "../table_place.ts";

/** Parameters that hold `transport:nexthop`. */
const TRANSPORTS = [
  "content_filter",
  "default_transport",
  "fallback_transport",
  "mailbox_transport",
  "relay_transport",
  "virtual_transport",
];
/** Tables whose values are that, and tables of next hops. */
const TRANSPORT_TABLES = [
  "transport_maps",
  "sender_dependent_default_transport_maps",
  "mailbox_transport_maps",
];
const NEXTHOP_TABLES = ["sender_dependent_relayhost_maps"];
/** Lists of next hops. */
const NEXTHOPS = ["relayhost", "smtp_fallback_relay", "lmtp_fallback_relay"];

/** So many keys of a table are named. */
const MOST_KEYS = 4;

/**
 * Keys of smtp_sasl_password_maps that no delivery asks for: mail would go without a login, and be refused. Next hops are asked for as they
 * are written, brackets and port included, and senders only where that is turned on (SASL_README).
 */
export function passwordKeys(configuration: Configuration, tables: TableContext): Finding[] {
  const clients = configuration.services.filter(({ program }) => program === "smtp" || program === "lmtp");
  const seen = new Set<string>();
  return clients.flatMap((service) => {
    const { enabled, maps, bySender, parameter } = passwordsOf(service);
    const key = `${maps} ${bySender}`;
    if (!enabled || seen.has(key)) return [];
    seen.add(key);
    const hops = knownNexthops(configuration, service, tables);
    return splitList(maps).flatMap((spec) => keysOf(spec, { parameter, bySender, hops, tables }));
  });
}

function passwordsOf({ program, settings }: Service) {
  const lmtp = program === "lmtp";
  return {
    enabled: lmtp ? settings.lmtp_sasl_auth_enable : settings.smtp_sasl_auth_enable,
    maps: lmtp ? settings.lmtp_sasl_password_maps : settings.smtp_sasl_password_maps,
    bySender: lmtp
      ? settings.lmtp_sender_dependent_authentication
      : settings.smtp_sender_dependent_authentication,
    parameter: lmtp ? "lmtp_sasl_password_maps" : "smtp_sasl_password_maps",
  };
}

/** Next hops as they are written, lower case; undefined where a table that names some cannot be read. */
function knownNexthops(
  configuration: Configuration,
  service: Service,
  tables: TableContext,
): ReadonlySet<string> | undefined {
  const hops = new Set<string>();
  const add = (nexthop: string) => splitList(nexthop).forEach((each) => hops.add(each.toLowerCase()));
  const scopes = [configuration, service];
  for (const scope of scopes) {
    for (const name of NEXTHOPS) add(scope.parameter(name) ?? "");
    for (const name of TRANSPORTS) add(nexthopIn(scope.parameter(name) ?? ""));
    for (const [names, read] of [[TRANSPORT_TABLES, nexthopIn], [NEXTHOP_TABLES, whole]] as const) {
      for (const spec of names.flatMap((name) => splitList(scope.parameter(name) ?? ""))) {
        const values = valuesOf(spec, tables);
        if (values === undefined) return undefined;
        for (const { value } of values) add(read(value));
      }
    }
  }
  return hops;
}

const whole = (value: string) => value;

function nexthopIn(value: string): string {
  const colon = value.indexOf(":");
  return colon < 0 ? "" : value.slice(colon + 1);
}

/** All that a table may answer; undefined where nobody can tell without asking others. */
function valuesOf(spec: string, tables: TableContext): readonly Possible[] | undefined {
  if (!isInProcess(spec.slice(0, spec.indexOf(":")))) return undefined;
  const table = openTable(spec, tables);
  try {
    const possible = table.possible?.(() => true);
    return possible === undefined ? undefined : [...possible];
  } finally {
    table.close();
  }
}

interface Asked {
  readonly parameter: string;
  readonly bySender: boolean;
  readonly hops: ReadonlySet<string> | undefined;
  readonly tables: TableContext;
}

function keysOf(spec: string, asked: Asked): Finding[] {
  const { parameter, tables } = asked;
  const found = (valuesOf(spec, tables) ?? []).flatMap((entry): Finding[] => {
    if (entry.is !== "key") return [];
    const why = whyNeverAsked(entry.key.toLowerCase(), asked);
    if (why === undefined) return [];
    const { text: place, at } = tablePlace(spec, tables, entry.line);
    const text = `${place}: ${parameter}: nothing asks for "${entry.key}": ${why}`;
    return [{ severity: "warning", text, consequence: text, parameter, ...at }];
  });
  const more = found.length - MOST_KEYS;
  if (more <= 0) return found;
  const { text: place, at } = tablePlace(spec, tables);
  const rest = `${at.file ?? place}: ${parameter}: nothing asks for ${more} more keys`;
  return [...found.slice(0, MOST_KEYS), {
    severity: "warning",
    text: rest,
    consequence: rest,
    parameter,
    ...at,
  }];
}

/** A bare name may be the name of a server that nobody has written down: nothing is said of those. */
function whyNeverAsked(key: string, { bySender, hops }: Asked): string | undefined {
  if (key.includes("@")) {
    return bySender
      ? undefined
      : "senders are looked up only with smtp_sender_dependent_authentication = yes";
  }
  if (hops === undefined || hops.has(key) || !/[[\]:]/.test(key)) return undefined;
  const meant = [...hops].find((hop) => hostOf(hop) === hostOf(key));
  return meant === undefined
    ? "no next hop is written like that (relayhost, transport_maps)"
    : `the next hop is written ${meant}`;
}

/** The host of `[host]:port`. */
function hostOf(nexthop: string): string {
  return /^\[([^\]]*)\]/.exec(nexthop)?.[1] ?? nexthop.replace(/:[^:]*$/, "");
}
