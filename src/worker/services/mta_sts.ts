import { systemClock } from "../../base/clock.ts";
import type { ParameterName } from "../../config/parameters/settings_type.ts";
import { every } from "../../platform/timer.ts";
import type { AskHttps } from "../../tls/sts/fetch_policy.ts";
import { FileStsCache } from "../../tls/sts/sts_cache.ts";
import { type StsAnswer, StsPolicies } from "../../tls/sts/sts_policies.ts";
import type { AssemblyContext } from "../assembly.ts";
import type { MailWorld } from "./mail_world.ts";

/** The parameters of MTA-STS. */
export const MTA_STS_PARAMETERS = [
  "data_directory",
  "smtp_mta_sts_cache_limit",
  "smtp_mta_sts_enable",
] as const satisfies readonly ParameterName[];

/** Finds the MTA-STS policies of the domains that mail goes to (RFC 8461). */
export interface MtaSts {
  find(domain: string): Promise<StsAnswer>;
  close(): void;
}

/** How often the first worker looks for policies that end soon, in milliseconds. */
const REFRESH_EVERY = 3_600_000;

/** Opens it where a client wants it; the first question opens the cache. */
export function openMtaSts(
  { context, world, ask }: {
    readonly context: AssemblyContext;
    readonly world: MailWorld;
    readonly ask: () => AskHttps;
  },
): MtaSts | undefined {
  const { configuration: { services, settings }, logFor, index } = context;
  if (!services.some((each) => each.program === "smtp" && each.settings.smtp_mta_sts_enable)) {
    return undefined;
  }
  const log = logFor(settings);
  const now = () => Math.floor(systemClock.now() / 1000);
  const path = `${settings.data_directory}/mta_sts.sqlite`;
  const cache = new FileStsCache(
    path,
    settings.smtp_mta_sts_cache_limit,
    (text) => log.note("smtp", "warning", text),
  );
  const policies = new StsPolicies({
    resolver: world.resolver,
    ask: (request) => ask()(request),
    cache,
    now,
    note: (text) => log.note("smtp", "info", text),
  });
  const stop = index !== 0 ? () => {} : every(REFRESH_EVERY, () => {
    cache.sweep(now());
    void policies.refresh();
  });
  return {
    find: (domain) => policies.find(domain),
    close: () => (stop(), cache.close()),
  };
}
