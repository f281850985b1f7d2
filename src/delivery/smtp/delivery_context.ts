import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { Log } from "../../observe/log.ts";
import type { DeliveryJob, DeliveryReport } from "../agent.ts";
import type { LookupContext } from "./route/address_list.ts";
import type { ConnectionCache } from "./connection_cache.ts";
import type { ConnectContext } from "./connector.ts";
import type { ClientChecks } from "./content/client_checks.ts";
import type { RewriteField } from "./content/header_filter.ts";
import type { ClientTlsEngine } from "../../tls/client/client_engine.ts";
import type { ClientTlsSettings } from "../../tls/client/client_tls_settings.ts";
import type { PixFor } from "./pix_workarounds.ts";
import type { ClientLogins } from "./login/client_logins.ts";
import type { LogPartsFor } from "../../tls/peer_log_level.ts";
import type { SessionPostmaster } from "../../smtp/session_notice.ts";
import type { RequireTlsPolicy } from "./tls/requiretls_policy.ts";
import type { WishSettings } from "./tls/sender_wishes.ts";
import type { ReportedDomain } from "./tls/session_report.ts";
import type { ClientPolicies } from "./tls/client_policies.ts";

/** All that a delivery needs beside its job. */
export interface DeliveryContext extends LookupContext, ConnectContext {
  readonly log: Log;
  readonly cache: ConnectionCache;
  readonly flags: ReadonlySet<string>;
  readonly service: (name: string) => number | undefined;
  /** What is done about firewalls that rewrite SMTP. */
  readonly pixFor: PixFor;
  readonly generic: ((address: string) => MaybeAsync<string>) | undefined;
  /** smtp_header_checks and its kin. */
  readonly checks: ClientChecks | undefined;
  readonly rewriteField: RewriteField | undefined;
  readonly discardKeywords: ((address: string) => MaybeAsync<string | undefined>) | undefined;
  /** Logins that the operator demands. */
  /** Undefined where nobody logs in. */
  readonly logins: ClientLogins | undefined;
  readonly tls: ClientTlsContext;
  /** Undefined where nobody wants to hear of sessions. */
  readonly postmaster: SessionPostmaster | undefined;
  readonly bestMx: ((job: DeliveryJob, signal: AbortSignal) => Promise<DeliveryReport>) | undefined;
}

/** What TLS is done with. */
export interface ClientTlsContext {
  readonly settings: ClientTlsSettings;
  /** What is told of a server (smtp_tls_loglevel_maps, smtp_tls_loglevel). */
  readonly logParts: LogPartsFor;
  readonly engine: ClientTlsEngine;
  readonly policies: ClientPolicies;
  /** Which wishes of senders count, and how REQUIRETLS is taken for a next hop. */
  readonly wishes: WishSettings;
  readonly requireTls: RequireTlsPolicy;
  /** Who is told what becomes of TLS; undefined where nobody is (smtp_tlsrpt_enable). */
  readonly reports: Omit<ReportedDomain, "domain"> | undefined;
}
