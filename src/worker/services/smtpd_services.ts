import { loginAccount } from "../../anvil/login_account.ts";
import { createAccessPolicy, type PolicyDeps } from "../../access/create_policy.ts";
import type { AccessPolicy } from "../../access/policy.ts";
import { createServiceFooter } from "../../access/reply/reject_footer.ts";
import { systemClock } from "../../base/clock.ts";
import { inTime } from "../../base/in_time.ts";
import { overlay } from "../../config/overlay.ts";
import type { Service } from "../../config/service.ts";
import { cleanupFor } from "./cleanup_services.ts";
import { createClientLookup } from "../../dns/reverse.ts";
import { type FlushAnswer, openFlush } from "../../flush/flush.ts";
import type { Log } from "../../observe/log.ts";
import type { Router } from "../../routing/route.ts";
import { openClientLists } from "../../smtpd/policy/client_lists.ts";
import { createFilter } from "../../smtpd/before_queue/create_filter.ts";
import { withReplyFilter } from "../../rewrite/dns_reply_filter.ts";
import { createSmtpd, type Smtpd } from "../../smtpd/smtpd.ts";
import { openPostscreenLists } from "../../smtpd/listener/postscreen_dnsbl.ts";
import { behindPostscreen, postscreenDemandsTls } from "../../smtpd/listener/postscreen_access.ts";
import { openSmtpdMilters } from "../../smtpd/smtpd_milters.ts";
import { createServerTls } from "../../smtpd/tls/server_tls.ts";
import { openSmtpdTables } from "../../smtpd/smtpd_tables.ts";
import { defer } from "../../smtp/reply.ts";
import { noServer } from "../../smtpd/listener/no_server.ts";
import type { AddressVerification } from "./address_verification.ts";
import type { AssemblyContext } from "../assembly.ts";
import type { AuthBackends } from "./auth_services.ts";
import type { Postmasters } from "./session_notices.ts";
import type { MailWorld } from "./mail_world.ts";
import { openAuthentication } from "./mail_authentication.ts";
import { openSendingAccount } from "./sending_account.ts";
import { openProbeSender } from "./probe_sender.ts";
import { partOf } from "./shared_limits.ts";
import { countRefusals, countReplies } from "./smtpd_metrics.ts";
import type { OnVerified } from "../../mailauth/reports/verified_message.ts";
import type { Anvil } from "../../smtpd/deps.ts";

/** What is shared by the smtpd services of a worker. */
export interface SmtpdParts {
  readonly context: AssemblyContext;
  readonly world: MailWorld;
  readonly anvil: Anvil;
  readonly verification: AddressVerification;
  readonly auth: AuthBackends;
  readonly postmasters: Postmasters;
  /** Who is told what DMARC found in a message (dmarc_reports). */
  readonly onVerified: OnVerified | undefined;
}

/** What a session asks for its decisions: policy, names, lists and tables. A session that is only explained asks the same. */
export function openSessionParts(
  { settings, ...service }: Service,
  world: MailWorld,
  log: Log,
  more: Partial<PolicyDeps> = {},
) {
  const restrictions = createAccessPolicy({ settings, ...service }, {
    router: world.routerFor(settings),
    local: world.local,
    openTables: world.openTables,
    dns: withReplyFilter(world.resolver, settings.smtpd_dns_reply_filter, world.openTables, {
      title: "smtpd_dns_reply_filter",
      note: (text) => log.note("smtpd", "info", text),
      warn: (text) => log.note("smtpd", "warning", text),
    }),
    clock: () => systemClock.now(),
    ...more,
  });
  return {
    access: restrictions,
    clientLookup: createClientLookup(world),
    rejectFooter: createServiceFooter(settings, world.openTables, () => systemClock.now()),
    listed: openClientLists(settings, world.openTables, log),
    ...openSmtpdTables(settings, world.openTables, log),
    probeSender: openProbeSender(settings, world),
  };
}

/**
 * In place of an smtpd that Postfix's would not start as: there each client waits for a greeting that never comes and the log has the
 * reason each time; here he hears 421 at once and comes again later (RFC 5321 §3.8).
 */
export function closedServer({ program, settings: { myhostname } }: Service, why: string, log: Log): Smtpd {
  return noServer(defer(421, "4.3.5", `${myhostname} Server configuration error`), () => {
    log.note(program === "postscreen" ? "postscreen" : "smtpd", "fatal", why);
  });
}

/** A client waits for so long, in milliseconds, until all workers have been asked for a site's mail. */
const FLUSH_PATIENCE = 60_000;

async function sendFor(site: string, { context: { request } }: SmtpdParts): Promise<FlushAnswer> {
  const asked = request("flush_site", { site }).catch((): FlushAnswer => "failed");
  return await inTime(asked, { clock: systemClock, limit: FLUSH_PATIENCE, late: "failed" });
}

/** The account of logins that master keeps for all workers. */
function loginsOf(settings: Service["settings"], { context }: SmtpdParts) {
  return loginAccount((event) => context.request("login", event), {
    prefixLengths: {
      ipv4: settings.smtpd_client_ipv4_prefix_length,
      ipv6: settings.smtpd_client_ipv6_prefix_length,
    },
    realm: settings.smtpd_sasl_local_domain,
  });
}

/** Builds the smtpd of one line of master.cf, behind the postscreen of another; one whose restrictions forbid to serve is closed. */
export function openSmtpd(given: Service, parts: SmtpdParts, postscreen?: Service): Smtpd {
  const service = postscreen === undefined ? given : underPostscreen(given, postscreen);
  const { context: { logFor, store, workers, index, metrics }, world, anvil, verification } = parts;
  const { settings, stressed } = service;
  const log = logFor(settings);
  const { access, ...asked } = openSessionParts(service, world, log, {
    verifier: verification.verifier,
    instancePrefix: `${index.toString(16)}.${Math.floor(systemClock.now()).toString(16)}`,
  });
  const flaw = access.problems.find(({ level }) => level === "fatal");
  if (flaw !== undefined) return closedServer(service, flaw.text, log);
  const tls = createServerTls(settings, { files: parts.context.tlsFiles, openTables: world.openTables, log });
  for (const { text } of access.problems) log.note("smtpd", "warning", text);
  const opened = parts.auth.open(service, log);
  if (opened.is === "bad") return closedServer(service, opened.why, log);
  const filter = createFilter(settings, {
    clock: systemClock,
    warn: (text) => log.note("smtpd", "warning", text),
  });
  if (filter !== undefined && "why" in filter) return closedServer(service, filter.why, log);
  const sending = openSendingAccount({
    context: parts.context,
    settings,
    cleanup: cleanupFor(settings, parts),
    log,
  });
  const authentication = openAuthentication(settings, world, log, parts.onVerified);
  return createSmtpd({
    service: { ...service, processLimit: partOf(service.processLimit, { index, workers }) },
    ...(stressed !== undefined && { stressed: { ...service, settings: stressed } }),
    access: countRefusals(screened(access, postscreen, parts), metrics),
    cleanup: cleanupFor(settings, parts),
    newId: () => store.newId(),
    ...(filter !== undefined && { beginFiltered: filter }),
    queueRefusal: (size) => store.refusal(size),
    log,
    clock: systemClock,
    ...(tls !== undefined && { tls }),
    ...asked,
    ...milterParts(settings, world, log),
    ...(opened.auth !== undefined && { auth: opened.auth }),
    ...(authentication !== undefined && { authentication }),
    untrustedGateways: service.untrustedGateways?.() ?? [],
    flushSite: openFlush(settings, {
      openTables: world.openTables,
      log,
      send: (site) => sendFor(site, parts),
    }),
    anvil,
    ...(sending !== undefined && { sending }),
    postmaster: parts.postmasters.of(service, "smtpd"),
    logins: loginsOf(settings, parts),
    replied: countReplies(metrics),
  });
}

/** The smtpd under what postscreen demands of clients before they come to it. */
export function underPostscreen(service: Service, postscreen: Service): Service {
  if (!postscreenDemandsTls(postscreen.settings)) return service;
  const demanding = { smtpd_tls_security_level: "encrypt" };
  const { settings, stressed } = service;
  return {
    ...service,
    settings: overlay(settings, demanding),
    ...(stressed !== undefined && { stressed: overlay(stressed, demanding) }),
  };
}

/** Who sees what comes in (smtpd_milters), and what they are told of addresses. */
function milterParts(settings: Service["settings"], world: MailWorld, log: Log) {
  const milters = openSmtpdMilters(settings, world.openTables, log);
  if (milters === undefined) return {};
  const router = world.routerFor(settings);
  const resolve: Router["resolve"] = (sender, recipient) => router.resolve(sender, recipient);
  return { milters, resolve };
}

function screened(access: AccessPolicy, postscreen: Service | undefined, parts: SmtpdParts): AccessPolicy {
  if (postscreen === undefined) return access;
  const { settings } = postscreen;
  const { openTables, resolver } = parts.world;
  const lists = openPostscreenLists(settings, openTables, resolver);
  return behindPostscreen(access, settings, openTables, parts.context.logFor(settings), lists);
}
