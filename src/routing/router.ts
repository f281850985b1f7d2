import { type Address, internalAddress } from "../address/address.ts";
import { type MaybeAsync, then } from "../base/maybe_async.ts";
import { overlay } from "../config/overlay.ts";
import type { ParameterName, Settings, SettingsOf } from "../config/parameters/settings_type.ts";
import { type AddressFormSettings, createAddressForm } from "../rewrite/address_form.ts";
import { createFindAddress, type ExtensionSettings } from "../rewrite/find_address.ts";
import { isHostAddress, literalAddress } from "../address/host_address.ts";
import { isAsciiHostname, isInternationalHostname } from "../address/hostname.ts";
import type { LocalDomains, Trouble } from "../rewrite/local_domains.ts";
import { type OpenTables, parentMatches } from "../rewrite/open_tables.ts";
import { type ClassOf, type ClassSettings, createAddressClass } from "./address_class.ts";
import {
  type FinalAddress,
  resolveAddress,
  type ResolveSettings,
  type ResolveTools,
} from "./resolve_address.ts";
import type { AddressClass, Resolution, Route, Router } from "./route.ts";
import { createSenderChoice, type SenderChoice } from "./sender_dependent.ts";
import { createTransportTable, type Hop, type TransportTable } from "./transport_table.ts";

/** The parameters that have a twin for address verification probes (address_verify_local_transport and so on). */
export const HOP_PARAMETERS = [
  "local_transport",
  "virtual_transport",
  "relay_transport",
  "default_transport",
  "relayhost",
  "transport_maps",
  "sender_dependent_relayhost_maps",
  "sender_dependent_default_transport_maps",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type HopSettings = SettingsOf<typeof HOP_PARAMETERS>;

/** The parameters of the router itself. */
export const ROUTER_PARAMETERS = [
  "relocated_maps",
  "relocated_prefix_enable",
  "allow_min_user",
  "resolve_numeric_domain",
  "smtputf8_enable",
  "show_user_unknown_table_name",
  "empty_address_relayhost_maps_lookup_key",
  "empty_address_default_transport_maps_lookup_key",
] as const satisfies readonly ParameterName[];

/** The settings that routing depends on. */
export type RouterSettings =
  & AddressFormSettings
  & ExtensionSettings
  & ClassSettings
  & ResolveSettings
  & HopSettings
  & SettingsOf<typeof ROUTER_PARAMETERS>;

/** Builds the router of one configuration (trivial-rewrite(8)). */
export function createRouter(settings: RouterSettings, local: LocalDomains, openTables: OpenTables): Router {
  const form = createAddressForm(settings);
  const resolver = new Resolver(settings, { settings, form, local }, openTables);
  return {
    route: (sender, recipient) => then(resolver.resolve(sender, recipient), routeOf),
    resolve: (sender, recipient) =>
      resolver.resolve(form.rewrite(sender, "local"), form.rewrite(recipient, "local")),
    isLocal: (domain) => local.isLocal(domain),
  };
}

/** The resolver alone: an address as it is, not rewritten before (trivial-rewrite(8), "resolve"). */
export function createResolve(
  settings: RouterSettings,
  local: LocalDomains,
  openTables: OpenTables,
): (sender: string, recipient: string) => MaybeAsync<Resolution> {
  const resolver = new Resolver(settings, { settings, form: createAddressForm(settings), local }, openTables);
  return (sender, recipient) => resolver.resolve(sender, recipient);
}

/** The parameters that route address verification probes. */
export const PROBE_ROUTE_PARAMETERS = [
  "address_verify_local_transport",
  "address_verify_virtual_transport",
  "address_verify_relay_transport",
  "address_verify_default_transport",
  "address_verify_relayhost",
  "address_verify_transport_maps",
  "address_verify_sender_dependent_relayhost_maps",
  "address_verify_sender_dependent_default_transport_maps",
] as const satisfies readonly ParameterName[];

/** The settings for address verification probes, which take ways of their own (ADDRESS_VERIFICATION_README). */
export function probeSettings(settings: Settings): Settings {
  return overlay(settings, {
    local_transport: settings.address_verify_local_transport,
    virtual_transport: settings.address_verify_virtual_transport,
    relay_transport: settings.address_verify_relay_transport,
    default_transport: settings.address_verify_default_transport,
    relayhost: settings.address_verify_relayhost,
    transport_maps: settings.address_verify_transport_maps,
    sender_dependent_relayhost_maps: settings.address_verify_sender_dependent_relayhost_maps,
    sender_dependent_default_transport_maps: settings.address_verify_sender_dependent_default_transport_maps,
  });
}

/** What delivery does with a resolution: a malformed address bounces as qmgr(8) words it. */
function routeOf(resolution: Resolution): Route {
  if (resolution.is === "trouble") return resolution;
  const { class: kind, recipient } = resolution;
  if (resolution.malformed) {
    return { is: "route", class: kind, transport: "error", nexthop: "5.1.3 bad address syntax", recipient };
  }
  return {
    is: "route",
    class: kind,
    transport: resolution.transport,
    nexthop: resolution.nexthop,
    recipient,
  };
}

class Resolver {
  readonly #settings: RouterSettings;
  readonly #tools: ResolveTools;
  readonly #classOf: ClassOf;
  readonly #transports: TransportTable | undefined;
  readonly #senderRelayhost: SenderChoice | undefined;
  readonly #senderTransport: SenderChoice | undefined;
  readonly #relocated: ((address: string) => MaybeAsync<Hop | undefined | Trouble>) | undefined;

  constructor(settings: RouterSettings, tools: ResolveTools, openTables: OpenTables) {
    this.#settings = settings;
    this.#tools = tools;
    this.#classOf = createAddressClass(settings, openTables);
    const find = createFindAddress(settings, tools.local);
    const maps = openTables.maps(settings.transport_maps, "transport_maps");
    this.#transports = maps === undefined
      ? undefined
      : createTransportTable(maps, find, parentMatches(settings, "transport_maps"));
    this.#senderRelayhost = createSenderChoice(
      openTables.maps(settings.sender_dependent_relayhost_maps, "sender_dependent_relayhost_maps"),
      find,
      settings.empty_address_relayhost_maps_lookup_key,
    );
    this.#senderTransport = createSenderChoice(
      openTables.maps(
        settings.sender_dependent_default_transport_maps,
        "sender_dependent_default_transport_maps",
      ),
      find,
      settings.empty_address_default_transport_maps_lookup_key,
    );
    const moved = openTables.maps(settings.relocated_maps, "relocated_maps");
    this.#relocated = moved === undefined
      ? undefined
      : (address) =>
        then(find(moved, address), ({ answer }) => {
          if (answer.is === "trouble") return { trouble: `relocated_maps lookup failure: ${answer.why}` };
          return answer.is === "found" ? this.#movedTo(answer.value) : undefined;
        });
  }

  resolve(sender: string, recipient: string): MaybeAsync<Resolution> {
    return then(resolveAddress(recipient, this.#tools), (found) => {
      if ("trouble" in found) return trouble(found);
      const final = this.#validated(found);
      if (final === undefined) return malformed(found.address, "default");
      const numeric = final !== found && this.#tools.local.isLocal(domainOf(final.address));
      return then(numeric, (isLocal) => {
        if (typeof isLocal === "object") return trouble(isLocal);
        return this.#classified(sender, { address: final.address, local: final.local || isLocal });
      });
    });
  }

  /** The address when its domain is one, a bare IP address put into brackets with resolve_numeric_domain. */
  #validated(found: FinalAddress): FinalAddress | undefined {
    const domain = domainOf(found.address);
    if (domain.startsWith("[")) return isLiteral(domain) ? found : undefined;
    const valid = this.#settings.smtputf8_enable ? isInternationalHostname(domain) : isAsciiHostname(domain);
    if (valid) return found;
    if (!this.#settings.resolve_numeric_domain || !isHostAddress(domain)) return undefined;
    const bracketed = `${found.address.slice(0, -domain.length)}[${domain}]`;
    return { address: internalAddress(bracketed), local: found.local };
  }

  #classified(sender: string, { address, local }: FinalAddress): MaybeAsync<Resolution> {
    const domain = domainOf(address);
    return then(local ? "local" : this.#classOf(domain), (kind) => {
      if (typeof kind === "object") return trouble(kind);
      return then(this.#firstHop(sender, domain, kind), (hop) => this.#finished(address, domain, kind, hop));
    });
  }

  #firstHop(sender: string, domain: string, kind: AddressClass): MaybeAsync<Hop | Trouble> {
    const settings = this.#settings;
    switch (kind) {
      case "local":
        return configured(settings.local_transport, domain, "local_transport");
      case "virtual alias":
        return { transport: "error", nexthop: `5.1.1 User unknown${this.#tableName("virtual alias")}` };
      case "virtual mailbox":
        return configured(settings.virtual_transport, domain, "virtual_transport");
      case "relay":
        return this.#offHost(sender, domain, settings.relay_transport, "relay_transport");
      case "default":
        return then(this.#senderTransport?.(sender), (chosen) => {
          if (typeof chosen === "object") return chosen;
          const name = chosen === undefined ? "default_transport" : "sender_dependent_default_transport_maps";
          return this.#offHost(sender, domain, chosen ?? settings.default_transport, name);
        });
    }
  }

  /** Off this host a relayhost takes the place of the domain; the sender's own goes first. */
  #offHost(sender: string, domain: string, transport: string, parameter: string): MaybeAsync<Hop | Trouble> {
    return then(this.#senderRelayhost?.(sender), (chosen) => {
      if (typeof chosen === "object") return chosen;
      const relay = chosen ?? this.#settings.relayhost;
      return configured(transport, relay === "" ? domain : relay, parameter);
    });
  }

  #finished(
    address: Address,
    domain: string,
    kind: AddressClass,
    hop: Hop | Trouble,
  ): MaybeAsync<Resolution> {
    if ("trouble" in hop) return trouble(hop);
    if (this.#relocated === undefined && (this.#transports === undefined || kind === "virtual alias")) {
      return this.#resolved(address, domain, kind, hop);
    }
    const overridden = this.#transports === undefined || kind === "virtual alias"
      ? hop
      : this.#transports(address, domain, hop);
    return then(overridden, (known) => {
      if ("trouble" in known) return trouble(known);
      return then(this.#relocated?.(address), (moved) => {
        if (moved !== undefined && "trouble" in moved) return trouble(moved);
        return this.#resolved(address, domain, kind, moved ?? known);
      });
    });
  }

  #resolved(address: Address, domain: string, kind: AddressClass, hop: Hop): Resolution {
    if (address.startsWith("-") && !this.#settings.allow_min_user) return malformed(address, kind);
    return {
      is: "resolved",
      class: kind,
      transport: hop.transport,
      nexthop: hop.nexthop,
      recipient: address,
      routed: isRouted(address, domain),
      malformed: false,
    };
  }

  #movedTo(place: string): Hop {
    const text = this.#settings.relocated_prefix_enable ? `5.1.6 User has moved to ${place}` : place;
    return { transport: "error", nexthop: text };
  }

  #tableName(table: string): string {
    return this.#settings.show_user_unknown_table_name ? ` in ${table} table` : "";
  }
}

/** A main.cf transport, `name` or `name:nexthop`. */
function configured(value: string, nexthop: string, parameter: string): Hop | Trouble {
  const colon = value.indexOf(":");
  const transport = colon < 0 ? value : value.slice(0, colon);
  const own = colon < 0 ? "" : value.slice(colon + 1);
  if (transport === "") return { trouble: `parameter ${parameter}: null transport is not allowed` };
  return { transport, nexthop: own === "" ? nexthop : own };
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf("@") + 1);
}

function isLiteral(domain: string): boolean {
  return domain.endsWith("]") && domain.indexOf("]") === domain.length - 1 &&
    literalAddress(domain.slice(1, -1)) !== undefined;
}

/** Whether the first of `@ % !` is anything but the `@` before the domain: somebody would route it further. */
function isRouted(address: string, domain: string): boolean {
  const first = address.search(/[@!%]/);
  return first + 1 + domain.length !== address.length;
}

function trouble({ trouble: why }: Trouble): Resolution {
  return { is: "trouble", why };
}

function malformed(recipient: Address, kind: AddressClass): Resolution {
  return {
    is: "resolved",
    class: kind,
    transport: "",
    nexthop: "",
    recipient,
    routed: false,
    malformed: true,
  };
}
