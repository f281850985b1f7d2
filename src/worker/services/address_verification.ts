import { internalAddress } from "../../address/address.ts";
import type { AddressVerifier } from "../../access/verifier.ts";
import { systemClock } from "../../base/clock.ts";
import type { Outcome } from "../../delivery/agent.ts";
import type { Settings } from "../../config/parameters/settings_type.ts";
import type { Log } from "../../observe/log.ts";
import { isRunning, ownPid } from "../../platform/process/signals.ts";
import { every } from "../../platform/timer.ts";
import type { Qmgr } from "../../qmgr/qmgr.ts";
import type { VerifyCache } from "../../verify/verify_cache.ts";
import { cleanUp } from "../../verify/clean_up.ts";
import { readLifetimes } from "../../verify/lifetimes.ts";
import { openVerifyCache } from "../../verify/open_cache.ts";
import { Prober } from "../../verify/prober.ts";
import { createVerifier, type ProbeResult, type Verifier } from "../../verify/verifier.ts";
import type { AssemblyContext } from "../assembly.ts";
import type { MailWorld } from "./mail_world.ts";
import { verifySenderFor } from "./probe_sender.ts";
import { partOf } from "./shared_limits.ts";
import { closedProgram } from "./closed_program.ts";
import { cleanupFor } from "./cleanup_services.ts";

/** Address verification of a worker (ADDRESS_VERIFICATION_README). */
export interface AddressVerification {
  readonly verifier: AddressVerifier;
  close(): void;
}

/** Seconds between two lines of the log about the same trouble. */
const QUIET = 60;

/** Puts it together; the cache is opened when something is first asked of it. */
export function openAddressVerification(
  context: AssemblyContext,
  world: MailWorld,
  qmgr: () => Qmgr,
): AddressVerification {
  const { configuration: { settings: main, services }, logFor } = context;
  const closed = closedProgram(services, ["verify"]);
  if (closed !== undefined) return closedVerification(closed);
  const settings = services.find(({ program }) => program === "verify")?.settings ?? main;
  const log = logFor(settings);
  let cache: VerifyCache | undefined;
  let made: Verifier | undefined;
  const verifier = (): Verifier => {
    if (made !== undefined) return made;
    cache = openVerifyCache(settings, seconds, (text) => log.note("verify", "warning", text));
    const interval = settings.address_verify_cache_cleanup_interval;
    keepClean({ interval, index: context.index }, cache, log);
    made = openVerifier({ context, settings, world, qmgr, cache, log });
    countVerification(context, cache, made);
    return made;
  };
  return {
    verifier: {
      verify: (address, timeLimit) => verifier().verify(address, timeLimit),
      known: (address) => verifier().known(address),
    },
    close: () => cache?.close(),
  };
}

/** In place of a verify(8) that is closed: nothing is known, and nobody finds out. */
function closedVerification(why: string): AddressVerification {
  const trouble = { is: "trouble", why } as const;
  return { verifier: { verify: () => trouble, known: () => trouble }, close: () => {} };
}

const seconds = () => Math.floor(systemClock.now() / 1000);

interface VerifierParts {
  readonly context: AssemblyContext;
  /** Of the verify service in master.cf, or of main.cf. */
  readonly settings: Settings;
  readonly world: MailWorld;
  readonly qmgr: () => Qmgr;
  readonly cache: VerifyCache;
  readonly log: Log;
}

function openVerifier({ context, settings, world, qmgr, cache, log }: VerifierParts): Verifier {
  const { store, metrics } = context;
  const prober = new Prober({
    cleanup: (drafts) => cleanupFor(settings, { context, world }, drafts),
    newId: () => store.newId(),
    sender: verifySenderFor(settings, world),
    clock: systemClock,
    log,
    settings,
    submit: (envelope, content, report) =>
      qmgr().probe({
        envelope,
        content,
        outcome({ address, original }, outcome) {
          const result = resultOf(outcome);
          report.result(original, result);
          if (address !== original) report.result(address, result);
        },
        ended: (lost) => report.ended(lost),
      }),
  });
  const probes = metrics.counter(
    "mta_address_probes_total",
    "Address verification probes by result",
    "status",
  );
  const warn = rarely((text) => log.note("verify", "warning", text));
  return createVerifier({
    cache,
    clock: systemClock,
    lifetimes: readLifetimes(settings),
    negativeCache: settings.address_verify_negative_cache,
    pendingLimit: partOf(settings.address_verify_pending_request_limit, context),
    probe: (address, report) => prober.send(internalAddress(address), report),
    pid: ownPid(),
    isAlive: isRunning,
    hooks: {
      cacheFault: (why) => warn("cache", `address_verify_map: ${why}`),
      tooMany: (pending) =>
        warn(
          "pending",
          `${pending} address probes are out (address_verify_pending_request_limit): new ones have to wait`,
        ),
      probed: (status) => probes.add(1, status),
    },
  });
}

function resultOf({ is, detail: { text } }: Outcome): ProbeResult {
  const status = is === "sent" ? "deliverable" : is === "bounced" ? "undeliverable" : "deferred";
  return { status, text };
}

/** Says the same kind of thing once in a while only. */
function rarely(say: (text: string) => void): (kind: string, text: string) => void {
  const next = new Map<string, number>();
  return (kind, text) => {
    if ((next.get(kind) ?? 0) > seconds()) return;
    next.set(kind, seconds() + QUIET);
    say(text);
  };
}

/** One worker looks after the file of all; what is in memory is each one's own (address_verify_cache_cleanup_interval). */
function keepClean(
  { interval, index }: { readonly interval: number; readonly index: number },
  cache: VerifyCache,
  log: Log,
): void {
  if (interval === 0 || (cache.isShared && index !== 0)) return;
  const report = (text: string) => log.note("verify", "info", text);
  const run = () => cleanUp(cache, systemClock, report);
  run();
  every(Math.min(interval, DAY) * 1000, run);
}

const DAY = 86_400;

function countVerification(
  { metrics, index }: AssemblyContext,
  cache: VerifyCache,
  verifier: Verifier,
): void {
  const pending = metrics.gauge("mta_address_probes_pending", "Address verification probes that are out");
  const cached = metrics.gauge("mta_address_verify_cache_entries", "Addresses in address_verify_map");
  metrics.beforeSnapshot(() => {
    pending.set(verifier.pending);
    if (!cache.isShared || index === 0) cached.set(entriesOf(cache));
  });
}

function entriesOf(cache: VerifyCache): number {
  try {
    return cache.count();
  } catch {
    return 0; // the trouble is reported where it hurts: at the next question
  }
}
