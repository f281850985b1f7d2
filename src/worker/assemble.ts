import { systemClock, waitingNow } from "../base/clock.ts";
import { type Ending, onAbort } from "../base/ending.ts";
import type { Bouncer } from "../bounce/bouncer.ts";
import { createBouncer } from "../bounce/create_bouncer.ts";
import { openTemplates } from "../bounce/open_templates.ts";
import { createRequeue } from "../pickup/requeue.ts";
import { createQmgr, type Qmgr } from "../qmgr/qmgr.ts";
import type { Requeue } from "../qmgr/requeue.ts";
import type { Service } from "../config/service.ts";
import { createOwnWriter } from "../delivery/mailbox/own_writer.ts";
import type { MailWriter } from "../delivery/mailbox/writer.ts";
import { readSmallFile } from "../platform/file/small_files.ts";
import { ownershipOf } from "../platform/file/mail_files.ts";
import { every } from "../platform/timer.ts";
import { ownIds } from "../platform/process/users.ts";
import type { Anvil } from "../smtpd/deps.ts";
import type { Smtpd } from "../smtpd/smtpd.ts";
import { Agents, identityOf } from "./services/agents.ts";
import { AnvilLedger } from "../anvil/anvil_ledger.ts";
import { ownAnvil, SharedAnvil } from "../anvil/anvil_access.ts";
import type { Assembly, AssemblyContext } from "./assembly.ts";
import { deliveryHooks } from "./services/delivery_metrics.ts";
import { openAuthBackends } from "./services/auth_services.ts";
import { isListening } from "../config/listening_endpoints.ts";
import { ClientAdmission } from "./services/client_admission.ts";
import { type DescriptorShares, shareDescriptors } from "./services/descriptor_shares.ts";
import { countReplies } from "./services/smtpd_metrics.ts";
import { openDescriptors } from "../platform/process/rlimit.ts";
import { createHelperWriter } from "./services/helper_writer.ts";
import { partOf, sharedParameter, sharedSettings } from "./services/shared_limits.ts";
import { openListener } from "./services/listeners.ts";
import { warnOfSigningKeys } from "./services/signing_warnings.ts";
import { warnOfDnssec } from "./services/dnssec_warnings.ts";
import { type MailWorld, openMailWorld } from "./services/mail_world.ts";
import { openAddressVerification } from "./services/address_verification.ts";
import { cleanupFor } from "./services/cleanup_services.ts";
import { Postmasters } from "./services/session_notices.ts";
import { openFlushes } from "./services/flushes.ts";
import { openHttpsClient } from "./services/https_client.ts";
import { openMtaSts } from "./services/mta_sts.ts";
import { openDmarcReports } from "./services/reports/dmarc_reports.ts";
import { openTlsReports } from "./services/reports/tls_reports.ts";
import type { AskHttps } from "../tls/sts/fetch_policy.ts";
import type { SmtpdParts } from "./services/smtpd_services.ts";
import type { Log } from "../observe/log.ts";
import { openPickup } from "./services/pickup_services.ts";
import { closedProgram } from "./services/closed_program.ts";

/** How long clients that were told have to close their side when the service ends in a hurry, in milliseconds. */
const HASTY_FAREWELL = 1000;

/** Builds all objects of a worker and joins them. Throws an Error, with words for the operator, when the configuration forbids to serve. */
export function assemble(context: AssemblyContext): Promise<Assembly> {
  const { configuration, logFor } = context;
  const log = logFor(configuration.settings);
  const world = openMailWorld(configuration, log);
  warnAtStart(context, world, log);
  const shares = shareDescriptors(context.openFiles, openDescriptors());
  const writer = mailWriter(context);
  const published = openPublished(context, world);
  const postmasters = new Postmasters(context, world);
  const agents = new Agents(configuration.services, {
    context,
    world,
    writer,
    kept: shares.kept,
    postmasters,
    sts: published.sts,
    tlsReports: published.tlsReports,
  });
  const bouncer = openBouncer(context, world);
  const qmgr = openQmgr(context, { world, agents, bouncer, mostDeliveries: shares.deliveries });
  const pickup = openPickup({ context, world, bouncer });
  const delivering = closedProgram(configuration.services, QUEUE_MANAGERS) === undefined;
  const wake = delivering ? () => qmgr.wake() : () => {};
  const anvil = openAnvil(context);
  const verification = openAddressVerification(context, world, () => qmgr);
  const auth = openAuthBackends(world);
  const onVerified = published.dmarcReports?.onVerified;
  const smtpds = openSmtpds({ context, world, anvil, verification, auth, postmasters, onVerified });
  const door = openDoor(context, shares);
  return Promise.resolve({
    accept: (service, connection) => door.accept(connection, (inside) => smtpds.get(service)!.accept(inside)),
    mostConnections: door.most,
    start() {
      if (delivering) qmgr.start();
      pickup.start();
    },
    look: (id) => qmgr.look(id),
    flushes: flushesOf(context, world, { forgetDead: () => qmgr.forgetDead(), wake }),
    wake,
    known: (address) => verification.verifier.known(address),
    pickup: () => pickup.look(),
    async drain(ending) {
      const taking = Promise.all([endSessions([...smtpds.values()], ending.hurry), pickup.stop()]);
      await Promise.all([unlessCut(taking, ending.cut), qmgr.stop(ending)]);
      await unlessCut(postmasters.settled(), ending.cut);
    },
    farewell: (ending) => unlessCut(door.empty(), hastened(ending, HASTY_FAREWELL)),
    async close() {
      await agents.close();
      published.close();
      verification.close();
      auth.close();
      world.close();
    },
  });
}

/** What would fail is in the log before it does. */
function warnAtStart(context: AssemblyContext, world: MailWorld, log: Log): void {
  void warnOfDnssec(context, world);
  void warnOfSigningKeys(context, world);
  if (world.srs?.trouble !== undefined) log.note("trivial-rewrite", "error", world.srs.trouble);
}

/** What domains publish about TLS and their mail, and what they are told of it. */
function openPublished(context: AssemblyContext, world: MailWorld) {
  const { configuration: { settings }, logFor, tlsFiles: files } = context;
  const warn = (text: string) => logFor(settings).note("smtp", "warning", text);
  let client: AskHttps | undefined;
  const ask = () => client ??= openHttpsClient(settings, world.resolver, { files, warn });
  const sts = openMtaSts({ context, world, ask });
  const tlsReports = openTlsReports({ context, world, ask });
  const dmarcReports = openDmarcReports({ context, world });
  return {
    sts,
    tlsReports,
    dmarcReports,
    close() {
      for (const each of [sts, tlsReports, dmarcReports]) each?.close();
    },
  };
}

/** Deliveries with the rights of users: this process's own, and for others a helper's. */
function mailWriter({ helpers, request, configuration: { settings } }: AssemblyContext): MailWriter {
  const own = ownIds();
  const ownWriter = createOwnWriter(own);
  if (!helpers) return ownWriter;
  return createHelperWriter({
    own,
    ownWriter,
    standIn: identityOf(settings.default_privs, undefined, "default_privs"),
    helper: ({ uid, gid }) => request("helper", { uid, gid }),
    ownership: ownershipOf,
  });
}

function flushesOf(
  { configuration: { settings }, logFor, store }: AssemblyContext,
  { openTables }: MailWorld,
  qmgr: Pick<Qmgr, "forgetDead" | "wake">,
) {
  return openFlushes(settings, { openTables, log: logFor(settings), store, qmgr, clock: systemClock });
}

/** Connections come in as far as the descriptors last. */
function openDoor({ openFiles, metrics, logFor, configuration }: AssemblyContext, shares: DescriptorShares) {
  const log = logFor(configuration.settings);
  return new ClientAdmission({ shares, openFiles, log, clock: systemClock, replied: countReplies(metrics) });
}

/** No service takes a new session; resolves when those that run have ended. */
async function endSessions(services: readonly Smtpd[], hurry: AbortSignal): Promise<void> {
  for (const smtpd of services) smtpd.stop(hurry);
  await Promise.all(services.map((smtpd) => smtpd.drained()));
}

/** A cut that comes in a hurry, too, so many milliseconds later. */
function hastened({ hurry, cut }: Ending, patience: number): AbortSignal {
  const hasty = new AbortController();
  onAbort(hurry, () => void systemClock.after(patience, () => hasty.abort()));
  return AbortSignal.any([cut, hasty.signal]);
}

function unlessCut(work: Promise<unknown>, cut: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    onAbort(cut, resolve);
    void work.finally(resolve);
  });
}

/** Several workers share master's account of clients; one alone keeps its own, and nobody has to be asked. */
function openAnvil({ configuration: { settings }, workers, request, logFor }: AssemblyContext): Anvil {
  if (workers > 1) return new SharedAnvil((events) => request("anvil", { events }));
  const ledger = new AnvilLedger(settings.anvil_rate_time_unit, () => systemClock.now());
  const log = logFor(settings);
  every(settings.anvil_status_update_time * 1000, () => ledger.logStatus(log));
  return ownAnvil(ledger);
}

function openSmtpds(parts: SmtpdParts): ReadonlyMap<Service, Smtpd> {
  const { services } = parts.context.configuration;
  return new Map(
    services.filter(isListening).map((service) => [service, openListener(service, services, parts)]),
  );
}

const QUEUE_MANAGERS = ["qmgr", "oqmgr", "nqmgr"];

/** In place of a bounce(8) that is closed: messages wait until their notices can be sent. */
const NO_NOTICES: Bouncer = {
  failed: () => Promise.resolve(false),
  delayed: () => Promise.resolve(false),
  succeeded: () => Promise.resolve(false),
  traced: () => Promise.resolve(false),
};

/** The log of a program: that of its entry in master.cf. */
function logOf(program: string, { configuration: { settings, services }, logFor }: AssemblyContext): Log {
  return logFor(services.find((each) => each.program === program)?.settings ?? settings);
}

function openBouncer(context: AssemblyContext, world: MailWorld): Bouncer {
  const { configuration, store } = context;
  const { settings, services } = configuration;
  if (closedProgram(services, ["bounce"]) !== undefined) return NO_NOTICES;
  return createBouncer({
    cleanup: cleanupFor(settings, { context, world }),
    newId: () => store.newId(),
    log: logOf("bounce", context),
    now: () => systemClock.now(),
    settings,
    parameter: (name) => configuration.parameter(name),
    templates: openTemplates(settings.bounce_template_file, readSmallFile),
  });
}

/** What the queue manager is built from, beside the context. */
interface QmgrParts {
  readonly world: MailWorld;
  readonly agents: Agents;
  readonly bouncer: Bouncer;
  readonly mostDeliveries: number;
}

function openQmgr(context: AssemblyContext, { world, agents, bouncer, mostDeliveries }: QmgrParts): Qmgr {
  const { configuration, store, logFor, metrics } = context;
  const { settings } = configuration;
  return createQmgr({
    store,
    router: world.router,
    probeRouter: world.probeRouter,
    agents: (transport) => agents.of(transport),
    processLimit: (transport) => partOf(agents.service(transport)?.processLimit ?? 0, context),
    mostDeliveries,
    bounce: bouncer,
    requeue: openRequeue(context, world),
    log: logOf("qmgr", context),
    transportLog: (transport) => logFor(agents.service(transport)?.settings ?? settings),
    transports: agents.names,
    clock: systemClock,
    waitingNow,
    random: Math.random,
    settings: sharedSettings(settings, context),
    parameter: sharedParameter((name) => configuration.parameter(name), context),
    hooks: deliveryHooks(metrics),
  });
}

/** Mail that goes through cleanup(8) again goes the way of pickup(8). */
function openRequeue(context: AssemblyContext, world: MailWorld): Requeue {
  const { configuration, store, logFor } = context;
  const pickup = configuration.services.find(({ program }) => program === "pickup");
  const settings = pickup?.settings ?? configuration.settings;
  return createRequeue({
    cleanup: cleanupFor(settings, { context, world }),
    store,
    log: logFor(settings),
    now: () => systemClock.now(),
    settings,
    uid: ownIds().uid,
  });
}
