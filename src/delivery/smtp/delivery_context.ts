import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { Log } from "../../observe/log.ts";
import type { DeliveryJob, DeliveryReport } from "../agent.ts";
import type { LookupContext } from "./route/address_list.ts";
import type { ConnectionCache } from "./connection_cache.ts";
import type { ConnectContext } from "./connector.ts";
import type { ClientChecks } from "./content/client_checks.ts";
import type { RewriteField } from "./content/header_filter.ts";
import type { ClientDemands } from "./unmet_demands.ts";

/** All that a delivery needs beside its job. */
export interface DeliveryContext extends LookupContext, ConnectContext {
  readonly log: Log;
  readonly cache: ConnectionCache;
  readonly flags: ReadonlySet<string>;
  readonly service: (name: string) => number | undefined;
  readonly generic: ((address: string) => MaybeAsync<string>) | undefined;
  /** smtp_header_checks and its kin. */
  readonly checks: ClientChecks | undefined;
  readonly rewriteField: RewriteField | undefined;
  readonly discardKeywords: ((address: string) => MaybeAsync<string | undefined>) | undefined;
  /** What the operator demands of a destination. */
  readonly demands: ClientDemands;
  readonly bestMx: ((job: DeliveryJob, signal: AbortSignal) => Promise<DeliveryReport>) | undefined;
}
