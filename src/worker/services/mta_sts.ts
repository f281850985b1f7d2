import { systemClock } from "../../base/clock.ts";
import type { ParameterName } from "../../config/parameters/settings_type.ts";
import { ToldLately } from "../../delivery/smtp/tls/told_lately.ts";
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
const REFRESH_FIRST = 60_000;

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
  const lately = new ToldLately(() => performance.now());
  const warn = (text: string) => lately.news([text]).forEach((each) => log.note("smtp", "warning", each));
  const now = () => Math.floor(systemClock.now() / 1000);
  const path = `${settings.data_directory}/mta_sts.sqlite`;
  const cache = new FileStsCache(path, settings.smtp_mta_sts_cache_limit, warn);
  const policies = new StsPolicies({
    resolver: world.resolver,
    ask: (request) => ask()(request),
    cache,
    now,
    note: (text) => log.note("smtp", "info", text),
  });
  const stop = index === 0 ? keepFresh(policies, cache, now) : () => {};
  return {
    find: (domain) => policies.find(domain),
    close: () => (stop(), cache.close()),
  };
}

/** One worker looks after the policies of all: soon after the start, and then every hour. */
function keepFresh(policies: StsPolicies, cache: FileStsCache, now: () => number): () => void {
  const round = () => {
    cache.sweep(now());
    void policies.refresh();
  };
  const [first, others] = [systemClock.after(REFRESH_FIRST, round), every(REFRESH_EVERY, round)];
  return () => (first(), others());
}
