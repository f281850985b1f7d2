import { dirname, resolve } from "node:path";
import { splitList } from "../../config/syntax/list.ts";
import type { Configuration, Service } from "../../config/service.ts";
import { realWorld } from "../../config/world.ts";
import { trySite } from "../../delivery/smtp/try_site.ts";
import { clientDnsLevel } from "../../delivery/smtp/client_settings.ts";
import { parseDnssecProbe } from "../../dns/dnssec_probe.ts";
import { cryptographicId, SYSTEM_WIRE } from "../../dns/resolver.ts";
import { probeServer } from "../../dns/server_probe.ts";
import { nameServers } from "../../dns/system_resolver.ts";
import { checkEverything } from "../../master/check/check_everything.ts";
import { pidFile } from "../../master/pid_file.ts";
import { fileSystemOf } from "../../platform/file/folder/file_system.ts";
import { lockHolder } from "../../platform/file/lock/lock_holder.ts";
import { changedAt, isThere } from "../../platform/file/small_files.ts";
import { syncTime } from "../../platform/file/folder/sync_time.ts";
import { interfaceAddresses } from "../../platform/host.ts";
import { kernelClock } from "../../platform/kernel_clock.ts";
import { closeDescriptor, openListeningSocket } from "../../platform/socket/inherited_sockets.ts";
import { ownPid } from "../../platform/process/signals.ts";
import { errorCode, systemErrorText } from "../../platform/system_error.ts";
import { ownTlsFiles } from "../../tls/tls_files.ts";
import type { MailWorld } from "../../worker/services/mail_world.ts";
import type { CheckResult } from "../check_result.ts";
import { clientContext } from "../client_context.ts";
import { lookUpName } from "../name_lookup.ts";
import type { Check } from "../run_checks.ts";
import { certificatesText } from "./certificate_list.ts";
import { checkClock } from "./clock_check.ts";
import { checkFindings } from "./configuration_check.ts";
import { readGreeting } from "./greeting.ts";
import { checkName } from "./name_check.ts";
import { portsOf } from "./port_list.ts";
import { checkPorts, type Port, type PortState } from "./ports_check.ts";
import { checkQueue, type NoLook } from "./queue_check.ts";
import { checkRelayhost } from "./relayhost_check.ts";
import { checkResolver } from "./resolver_check.ts";

/** What the doctor looks at. */
export interface Patient {
  readonly configuration: Configuration;
  readonly world: MailWorld;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const SECOND = 1000;

/** All that `mta doctor` looks at, in the order in which it tells of it. Nothing is changed by it. */
export function doctorChecks(patient: Patient): Check[] {
  const check = (
    name: string,
    seconds: number,
    run: (patient: Patient, signal: AbortSignal) => Promise<readonly CheckResult[]> | readonly CheckResult[],
  ): Check => ({ name, limit: seconds * SECOND, run: async (signal) => await run(patient, signal) });
  return [
    check("configuration", 60, lookAtConfiguration),
    check("ports", 30, lookAtPorts),
    check("queue", 30, lookAtQueue),
    check("clock", 5, lookAtClock),
    check("resolver", 15, lookAtResolver),
    check("name", 30, lookAtName),
    ...relayhosts(patient.configuration).map((each) =>
      check("relayhost", 60, (_, signal) => lookAtRelayhost(each, patient, signal))
    ),
  ];
}

async function lookAtConfiguration({ configuration, environment }: Patient): Promise<CheckResult[]> {
  const { groups } = await checkEverything(configuration.directory, environment);
  return checkFindings(groups, {
    tables: "each can be read, and none is older than its source",
    certificates: certificatesText(configuration, ownTlsFiles),
  });
}

async function lookAtPorts({ configuration }: Patient, signal: AbortSignal): Promise<CheckResult[]> {
  const { myhostname } = configuration.settings;
  const ports = portsOf(configuration, realWorld(ownPid(), "master"));
  const greetings = () =>
    Promise.all(
      ports.map(async (port) => ({ ...port, state: await readGreeting(port, myhostname, signal) })),
    );
  const running = isRunning(configuration);
  const heard = running === false ? [] : await greetings();
  if (running ?? heard.some(({ state: { is } }) => is === "answers")) {
    return checkPorts({ running: true, ports: heard });
  }
  return checkPorts({ running: false, ports: ports.map((port) => ({ ...port, state: tryToBind(port) })) });
}

/** Undefined where the pid file is not for this user. */
function isRunning({ settings }: Configuration): boolean | undefined {
  try {
    return lockHolder(pidFile(settings)) !== undefined;
  } catch (error) {
    if (errorCode(error) === "EACCES") return undefined;
    throw error;
  }
}

/** As the start of the service does, but nobody is accepted. */
function tryToBind({ address, port }: Port): PortState {
  try {
    closeDescriptor(openListeningSocket({ address, port }, 0, false));
    return { is: "free" };
  } catch (error) {
    return { is: "not free", code: errorCode(error), why: systemErrorText(error) };
  }
}

function lookAtQueue({ configuration: { settings } }: Patient): CheckResult[] {
  const { queue_directory, queue_minfree, message_size_limit } = settings;
  const path = resolve(queue_directory);
  const folder = nearest(path);
  return checkQueue({
    path,
    fileSystem: attempt(() => fileSystemOf(folder)),
    sync: attempt(() => syncTime(folder)),
    reserve: Math.max(queue_minfree, 1.5 * message_size_limit),
  });
}

/** The folder itself, or where the start of the service would make it. */
function nearest(path: string): string {
  return isThere(path) || path === dirname(path) ? path : nearest(dirname(path));
}

function attempt<T>(look: () => T): T | NoLook {
  try {
    return look();
  } catch (error) {
    return { why: systemErrorText(error), denied: errorCode(error) === "EACCES" };
  }
}

function lookAtClock({ configuration: { directory }, now }: Patient): CheckResult[] {
  return checkClock({ now: now(), configured: changedAt(`${directory}/main.cf`), kernel: kernelClock() });
}

const ROOT = { text: "ns:.", type: "NS", name: "." } as const;
const LISTS = /\b(?:reject_rbl_client|reject_rhsbl_|permit_dnswl_client|permit_rhswl_client)/;

async function lookAtResolver({ configuration }: Patient, signal: AbortSignal): Promise<CheckResult[]> {
  const { settings, services } = configuration;
  const { conf: { servers, timeout } } = nameServers({
    servers: splitList(settings.dns_servers),
    trustAd: settings.dns_trust_ad,
  });
  const probe = parseDnssecProbe(settings.dnssec_probe);
  const { type, name } = typeof probe === "object" ? probe : ROOT;
  const question = { name, type, timeout: Math.min(timeout, 5 * SECOND), signal, randomId: cryptographicId };
  return checkResolver({
    probes: await Promise.all(servers.map((server) => probeServer(SYSTEM_WIRE, server, question))),
    question: `${type} of ${name}`,
    wantsDnssec: services.some(({ program, settings: own }) =>
      (program === "smtp" || program === "lmtp") && clientDnsLevel(program, own) === "dnssec"
    ),
    asksLists: services.some(asksLists),
  });
}

const RESTRICTIONS = [
  "smtpd_client_restrictions",
  "smtpd_helo_restrictions",
  "smtpd_sender_restrictions",
  "smtpd_relay_restrictions",
  "smtpd_recipient_restrictions",
  "smtpd_data_restrictions",
  "smtpd_end_of_data_restrictions",
] as const;

function asksLists({ program, parameter, settings }: Service): boolean {
  if (program === "postscreen") return settings.postscreen_dnsbl_sites !== "";
  return program === "smtpd" && RESTRICTIONS.some((name) => LISTS.test(parameter(name) ?? ""));
}

async function lookAtName(
  { configuration: { settings }, world: { resolver, proxyAddresses } }: Patient,
  signal: AbortSignal,
): Promise<CheckResult[]> {
  const { myhostname, smtp_helo_name: helo } = settings;
  const own = [...interfaceAddresses().map(({ address }) => address), ...proxyAddresses];
  const relayed = settings.relayhost !== "";
  const names = [["myhostname", myhostname] as const];
  const all = helo.toLowerCase() === myhostname.toLowerCase()
    ? names
    : [...names, ["smtp_helo_name", helo] as const];
  const found = await Promise.all(all.map(async ([parameter, name]) => {
    const lookup = await lookUpName(name, resolver, signal);
    return checkName({ parameter, lookup, own, relayed });
  }));
  return found.flat();
}

interface Relayhost {
  readonly relayhost: string;
  readonly service: Service;
}

/** The relays of all mail, and the entry of master.cf that goes there. */
function relayhosts({ settings, services }: Configuration): Relayhost[] {
  const transport = settings.default_transport.split(":")[0]!;
  const service = services.find(({ name, type, program }) =>
    name === transport && type === "unix" && program === "smtp"
  );
  if (service === undefined) return [];
  return splitList(settings.relayhost).map((relayhost) => ({ relayhost, service }));
}

async function lookAtRelayhost(
  { relayhost, service }: Relayhost,
  { world }: Patient,
  signal: AbortSignal,
): Promise<CheckResult[]> {
  const context = clientContext(service, world);
  const trials = await trySite(relayhost, context, signal);
  return checkRelayhost({ relayhost, trials, hasLogins: context.logins !== undefined });
}
