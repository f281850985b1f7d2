import { resolve } from "node:path";
import { printDiagnostic } from "../config/syntax/diagnostic.ts";
import { loadConfiguration } from "../config/load.ts";
import { type Configuration, type ConfigurationTexts, type Service, serviceKey } from "../config/service.ts";
import type { Log } from "../observe/log.ts";
import type { FileIdentity } from "../platform/file/random_access_file.ts";
import type { Identity } from "../platform/process/spawn.ts";
import { isListening, listeningEndpoints } from "../config/listening_endpoints.ts";
import { startFindings } from "./check/start_findings.ts";
import { type Finding, findingOf } from "./check/finding.ts";
import { reportLines } from "./check/report.ts";
import type { GenerationPlan } from "./generation.ts";
import { tlsPathsOf } from "../tls/tls_paths.ts";
import { lentFiles } from "./lending/lent_files.ts";
import { withTableFiles } from "./lending/table_files.ts";
import { lentKeys } from "./lending/lent_keys.ts";
import type { LentIdentities } from "./lending/lent_watch.ts";
import type { ListeningSockets } from "./listening_sockets.ts";
import type { MasterWorld } from "./master_world.ts";
import { workerPrivileges } from "./privileges.ts";
import { StartFault } from "../worker/start_fault.ts";
import type { LogTarget } from "../worker/protocol/worker_protocol.ts";
import { WORKER_RUNTIME, workerCount, workerEnvironment } from "../worker/worker_settings.ts";

/** Descriptors for a busy server; the system may allow fewer. */
const OPEN_FILES = 65_536;

/** One configuration, read and prepared, with its workers not yet started. */
export interface Prepared {
  readonly plan: GenerationPlan;
  /** The files that were read for the workers. */
  readonly lent: LentIdentities;
  /** Those of TLS, lent or not: what is to be lent can change. */
  readonly keys: LentIdentities;
  /** Something about the folders that the operator should know. */
  readonly warnings: readonly string[];
}

/** What a preparation needs of the master around it. */
export interface Preparation {
  readonly world: MasterWorld;
  readonly sockets: ListeningSockets;
  /** Where the workers are to log, opened. */
  readonly log: LogTarget;
  /** How a file is at the moment. */
  readonly identityOf: (path: string) => FileIdentity | undefined;
}

/** Everything of a configuration that can fail before a process is started. Throws StartFault with nothing changed. */
export function prepare(
  configuration: Configuration,
  { world, sockets, log, identityOf }: Preparation,
): Prepared {
  const { settings } = configuration;
  const privileges = workerPrivileges(settings, configuration.isSet("mail_owner"), world);
  if (privileges.is === "bad") throw new StartFault(privileges.why);
  const { identity } = privileges;
  const warnings = world.prepareDirectories(configuration, identity);
  const workers = workerCount(settings.worker_processes, world.processors);
  const found = listeningEndpoints(configuration, world.world);
  if (found.is === "bad") throw new StartFault(found.why);
  const { endpoints } = found;
  const keys = keysFor(configuration, identity, { world, identityOf });
  const { texts, lent } = textsFor(configuration, identity, (path, reader) => {
    const before = identityOf(path);
    return { before, bytes: world.bytesToLend(path, reader) };
  });
  const plan: GenerationPlan = {
    configuration: { directory: configuration.directory, texts },
    keys: keys.lent,
    workers,
    endpoints,
    log,
    ...(identity !== undefined && { identity }),
    environment: { ...WORKER_RUNTIME, ...workerEnvironment(settings.import_environment, world.environment) },
    openFiles: world.raiseOpenFiles(OPEN_FILES),
    workerTimeout: settings.worker_timeout * 1000,
    sockets: orStartFault(() => sockets.prepare(endpoints, workers)),
  };
  return { plan, lent, keys: keys.seen, warnings };
}

/** Files of TLS, for workers of this identity: as they are, and what is lent of them. */
export function keysFor(
  configuration: Configuration,
  identity: Identity | undefined,
  { world, identityOf }: Pick<Preparation, "world" | "identityOf">,
): { readonly lent: Readonly<Record<string, string>>; readonly seen: LentIdentities } {
  if (identity === undefined) return { lent: {}, seen: new Map() };
  const paths = withTableFiles(
    tlsPathsOf(configuration),
    configuration,
    (source) => world.isOutOfReach(source, identity),
  );
  // Looked at before they are read: what changes meanwhile is a change.
  const all = [...paths.files, ...paths.named, ...paths.folders];
  const seen = new Map(all.map((path) => [path, identityOf(path)]));
  const lent = lentKeys(paths, {
    bytes: (path) => world.bytesToLend(path, identity),
    authorities: (folder) => world.authoritiesIn(folder),
  });
  return { lent, seen };
}

/** What the workers read the configuration from, with the files that they cannot read themselves. */
function textsFor(
  configuration: Configuration,
  identity: Identity | undefined,
  read: (
    path: string,
    reader: Identity,
  ) => { readonly before: FileIdentity | undefined; readonly bytes: string | undefined },
): { readonly texts: ConfigurationTexts; readonly lent: LentIdentities } {
  const seen = new Map<string, FileIdentity | undefined>();
  const texts = configuration.texts!;
  if (identity === undefined) return { texts, lent: seen };
  const lent = lentFiles(configuration, (path) => {
    const { before, bytes } = read(path, identity);
    if (bytes !== undefined) seen.set(path, before);
    return bytes;
  });
  return { texts: seen.size === 0 ? texts : { ...texts, lent }, lent: seen };
}

/** What was found in a configuration, as `mta check` prints it. */
export function logFindings(findings: readonly Finding[], log: Log): void {
  for (const { level, text } of reportLines(findings, false)) {
    // The service lives on: what is fatal is so for a part of it.
    for (const line of text.split("\n")) log.note("master", level === "fatal" ? "error" : level, line);
  }
}

/** The ports that served under one configuration and would turn clients away under the next. */
export function portsShut(before: Configuration, next: Configuration): Service[] {
  const open = new Set(before.services.filter((each) => each.closed === undefined).map(serviceKey));
  return next.services.filter((each) =>
    isListening(each) && each.closed !== undefined && open.has(serviceKey(each))
  );
}

/** The answer; what goes wrong is why the service does not start. */
export function orStartFault<Answer>(ask: () => Answer): Answer {
  try {
    return ask();
  } catch (error) {
    throw new StartFault((error as Error).message, { cause: error });
  }
}

/** Reads the configuration anew for a reload; what is wrong with it is logged. Throws an Error when it cannot be in force. */
export function readAgain(
  directory: string,
  inForce: Configuration,
  { world, log }: { readonly world: MasterWorld; readonly log: Log },
): Configuration {
  const source = { directory, environment: world.environment, world: world.world };
  const loaded = loadConfiguration(source);
  const found = [...loaded.is === "bad" ? loaded.errors : [], ...loaded.warnings].map(findingOf);
  const entries = loaded.is === "bad" ? [] : startFindings(loaded.configuration);
  logFindings([...found, ...entries], log);
  if (loaded.is === "bad") {
    throw new Error(loaded.errors.map(printDiagnostic).join("; "));
  }
  const { queue_directory: now } = inForce.settings;
  const { queue_directory: then } = loaded.configuration.settings;
  if (resolve(now) !== resolve(then)) {
    throw new Error(
      `queue_directory cannot change from ${now} to ${then} while mail is in it: stop and start instead`,
    );
  }
  return loaded.configuration;
}
