import { systemClock } from "../../base/clock.ts";
import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { Settings } from "../../config/settings.ts";
import { type Hosts, systemHosts } from "../../dns/hosts.ts";
import type { Resolver } from "../../dns/resolver.ts";
import type { Log } from "../../observe/log.ts";
import { connect } from "../../platform/connection.ts";
import type { Agent, DeliveryJob, DeliveryReport } from "../agent.ts";
import { addressIn } from "./address_list.ts";
import { clientSettings, type SmtpClientParameters } from "./client_settings.ts";
import { ConnectionCache } from "./connection_cache.ts";
import type { Connect } from "./connector.ts";
import { deliver, type DeliveryContext } from "./delivery.ts";
import type { RewriteHeader } from "./header_filter.ts";
import { systemServices } from "./services_file.ts";

/** What the SMTP and LMTP clients are made of. */
export interface SmtpAgentOptions {
  readonly program: "smtp" | "lmtp";
  /** Settings of the service (master.cf `-o` on top). */
  readonly settings: Pick<Settings, SmtpClientParameters>;
  readonly resolver: Resolver;
  readonly log: Log;
  /** Addresses that inet_interfaces stands for. */
  readonly ownAddresses: readonly string[];
  /** Addresses of proxy_interfaces. */
  readonly proxyAddresses?: readonly string[];
  /** Letters of `flags=` in master.cf: D, O, R, F (smtp(8), lmtp(8)). */
  readonly flags?: string;
  /** hosts(5); the system's when left out. */
  readonly hosts?: Hosts;
  readonly connect?: Connect;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly random?: () => number;
  /** Port of a TCP service by name; services(5) when left out. */
  readonly service?: (name: string) => number | undefined;
  /** An envelope address as it goes out (smtp_generic_maps). */
  readonly generic?: (address: string) => MaybeAsync<string>;
  /** The header as it goes out (smtp_generic_maps, smtp_header_checks). */
  readonly rewriteHeader?: RewriteHeader;
  /** EHLO keywords not to believe of the server with this address (smtp_discard_ehlo_keyword_address_maps). */
  readonly discardKeywords?: (address: string) => MaybeAsync<string | undefined>;
  /** Hands a job to best_mx_transport; without it a loop is a loop. */
  readonly bestMx?: (job: DeliveryJob, signal: AbortSignal) => Promise<DeliveryReport>;
}

/** The SMTP client, and with `program: "lmtp"` the LMTP client (smtp(8), lmtp(8)). */
export function createSmtpAgent(options: SmtpAgentOptions): Agent {
  const settings = clientSettings(options.program, options.settings);
  const now = options.now ?? systemClock.now;
  const cache = new ConnectionCache(
    { idle: settings.cacheTimeLimit, reuse: settings.reuseTimeLimit, count: settings.reuseCountLimit },
    now,
  );
  const context: DeliveryContext = {
    settings,
    resolver: options.resolver,
    log: options.log,
    ownAddresses: options.ownAddresses,
    isOwnAddress: addressIn([...options.ownAddresses, ...options.proxyAddresses ?? []]),
    flags: new Set(options.flags ?? ""),
    hosts: options.hosts ?? systemHosts(),
    connect: options.connect ?? connect,
    now,
    random: options.random ?? Math.random,
    service: options.service ?? systemServices(),
    cache,
    generic: options.generic,
    rewriteHeader: options.rewriteHeader,
    discardKeywords: options.discardKeywords,
    bestMx: options.bestMx,
    warn: (text) => options.log.note(options.program, "warning", text),
  };
  return {
    program: options.program,
    deliver: (job, signal) => deliver(job, signal, context),
    close: async () => cache.close(),
  };
}
