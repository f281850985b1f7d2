import { systemClock } from "../../base/clock.ts";
import { withCharacterChecks } from "../../cleanup/character_checks.ts";
import { openLocalMilters } from "../../cleanup/milters/local_milters.ts";
import type { Cleanup } from "../../cleanup/cleanup.ts";
import { createCleanup } from "../../cleanup/create_cleanup.ts";
import { openSealing } from "../../cleanup/authentication/open_sealing.ts";
import { openSigning } from "../../cleanup/signing/open_signing.ts";
import { openContentChecks } from "../../cleanup/content_checks.ts";
import { overlay } from "../../config/overlay.ts";
import type { Configuration, Service } from "../../config/service.ts";
import type { QueueStore } from "../../queue/store.ts";
import type { AssemblyContext } from "../assembly.ts";
import type { MailWorld } from "./mail_world.ts";

interface CleanupParts {
  readonly context: AssemblyContext;
  readonly world: MailWorld;
}

/** The cleanup that a service names (cleanup_service_name), under the service's own receive_override_options. */
export function cleanupFor(
  settings: Service["settings"],
  { context, world }: CleanupParts,
  drafts: Pick<QueueStore, "draft"> = context.store,
): Cleanup {
  const { configuration, logFor } = context;
  const entry = cleanupEntry(configuration, settings.cleanup_service_name);
  const base = entry?.settings ?? configuration.settings;
  const { receive_override_options } = settings;
  const effective = receive_override_options === base.receive_override_options
    ? base
    : overlay(base, { receive_override_options });
  const log = logFor(base);
  const milterChecks = world.openTables.maps(effective.milter_header_checks, "milter_header_checks");
  const localMilters = openLocalMilters(effective, log);
  const signingDeps = {
    openTables: world.openTables,
    keys: context.signingKeys,
    log,
    now: () => systemClock.now(),
  };
  const signing = openSigning(effective, signingDeps);
  const sealing = openSealing(effective, signingDeps);
  const cleanup = createCleanup({
    settings: effective,
    checks: openContentChecks(effective, world.openTables),
    ...(milterChecks !== undefined && { milterChecks }),
    ...(localMilters !== undefined && { localMilters }),
    ...(signing !== undefined && { signing }),
    ...(sealing !== undefined && { sealing }),
    store: drafts,
    rewriter: entry === undefined ? world.rewriter : world.rewriterFor(base),
    log,
  });
  return withCharacterChecks(cleanup, effective, log);
}

function cleanupEntry({ services }: Configuration, name: string): Service | undefined {
  return services.find((service) => service.program === "cleanup" && service.name === name);
}
