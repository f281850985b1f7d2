import { basename, dirname } from "node:path";
import { VERSION } from "../base/version.ts";
import { printDiagnostic } from "../config/syntax/diagnostic.ts";
import { loadConfiguration } from "../config/load.ts";
import type { Configuration } from "../config/service.ts";
import type { Listener } from "../platform/socket/connection.ts";
import type { HttpServer } from "../platform/socket/http_server.ts";
import { lockWithPid, type NamedLock } from "../platform/file/lock/pid_lock.ts";
import { writeErr } from "../platform/process/this_process.ts";
import { giveBackAtRest } from "../platform/process/idle_memory.ts";
import { reapOrphans } from "../platform/process/reap.ts";
import { onSignal, onUncaught } from "../platform/process/signals.ts";
import { ownFolder } from "../platform/file/folder/own_folder.ts";
import { systemErrorText } from "../platform/system_error.ts";
import { every } from "../platform/timer.ts";
import { userById } from "../platform/process/users.ts";
import { openControlServer } from "./control/control_server.ts";
import { type Finding, findingOf } from "./check/finding.ts";
import { Master } from "./master.ts";
import { StartFault } from "../worker/start_fault.ts";
import { pidFile } from "./pid_file.ts";
import { policyServedFor } from "../tls/sts/own_policy.ts";
import { masterWorld } from "./real_world.ts";

/** How `serve` was called. */
export interface ServeOptions {
  readonly configDirectory: string;
  /** False when detached by `start`: the log then goes to syslog, if not to a file. */
  readonly foreground: boolean;
  /** Hears once how the start went: "" when it serves, else why not; and which services are closed, and why. */
  readonly started?: (failure: string, closed: readonly string[]) => void;
}

type Lock = Extract<NamedLock, { is: "ours" }>;

/** Takes the lock of the queue directory; throws StartFault when a running service has it. */
function lockQueue(configuration: Configuration): Lock {
  const path = pidFile(configuration.settings);
  let lock: NamedLock;
  try {
    const folder = ownFolder(dirname(path), { mode: 0o755 });
    lock = lockWithPid(folder, basename(path));
    folder.close();
  } catch (error) {
    const why = systemErrorText(error);
    throw new StartFault(
      `open lock file ${path}: ${why}; set queue_directory in main.cf to a folder of your own`,
      { cause: error },
    );
  }
  if (lock.is === "ours") return lock;
  const pid = lock.pid === 0 ? "another process" : `process ${lock.pid}`;
  throw new StartFault(`the Postfix mail system is already running (${pid} holds the lock ${path})`);
}

function readConfiguration(
  directory: string,
  environment: Readonly<Record<string, string | undefined>>,
) {
  const source = { directory, environment };
  const loaded = loadConfiguration(source);
  if (loaded.is === "bad") throw new StartFault(loaded.errors.map(printDiagnostic).join("\n"));
  return { configuration: loaded.configuration, findings: loaded.warnings.map(findingOf) };
}

/** Runs the service until it is told to stop; answers the exit status (`mta serve`). */
export async function serve(options: ServeOptions): Promise<number> {
  const world = masterWorld();
  let lock: Lock | undefined;
  let master: Master | undefined;
  try {
    const { configuration, findings } = readConfiguration(options.configDirectory, world.environment);
    lock = lockQueue(configuration);
    const journal = world.environment.JOURNAL_STREAM !== undefined;
    const running = new Master({ ...options, journal }, world, configuration);
    master = running;
    onUncaught((error) => running.log.emit("master", "bug", { what: errorText(error) }));
    obeySignals(running);
    return await Promise.race([run(running, findings, options), givenUp(running)]);
  } catch (error) {
    report(error instanceof Error ? error.message : String(error), world.pid, master, options);
    await master?.stop(true);
    return 1;
  } finally {
    master?.flushLog();
    lock?.release();
  }
}

/** Serves until a stop is complete. */
async function run(master: Master, findings: readonly Finding[], options: ServeOptions): Promise<number> {
  await master.start(findings);
  const closeShell = await openShell(master);
  giveBackAtRest();
  options.started?.("", closedIn(master.configuration));
  if (!await master.stopped) return 1;
  closeShell();
  return 0;
}

/** Settles only when a stop was given up, even one that the start keeps waiting. */
async function givenUp(master: Master): Promise<number> {
  return await master.stopped ? await Promise.withResolvers<never>().promise : 1;
}

function closedIn({ directory, services }: Configuration): string[] {
  return services.flatMap(({ name, type, line, closed }) =>
    closed === undefined
      ? []
      : [`${directory}/master.cf, line ${line}: service ${name}/${type} is closed: ${closed}`]
  );
}

function report(why: string, pid: number, master: Master | undefined, options: ServeOptions): void {
  for (const line of why.split("\n")) {
    writeErr(`postfix/master[${pid}]: fatal: ${line}\n`);
    if (!options.foreground) master?.log.note("master", "fatal", line);
  }
  options.started?.(why, []);
}

const SIGNALS = { SIGTERM: 15, SIGINT: 2 } as const;

function obeySignals(master: Master): void {
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    onSignal(name, () => {
      master.log.emit("master", "terminating", { signal: SIGNALS[name] });
      void master.stop(false);
    });
  }
  onSignal("SIGHUP", () => void master.reload().catch(() => {}));
  if (!master.isFirstProcess) return;
  onSignal("SIGCHLD", () => void reapOrphans(master.children));
}

/** What is there beside mail: the control socket, and HTTP, loaded when everything else runs. */
async function openShell(master: Master): Promise<() => void> {
  const control = await openControl(master);
  let http = await openHttp(master);
  master.afterReload = async (before) => {
    if (before.settings.http_listen === master.configuration.settings.http_listen) return;
    http?.stop();
    http = await openHttp(master).catch((error) => {
      master.log.note("master", "error", (error as Error).message);
      return undefined;
    });
  };
  const reaper = master.isFirstProcess ? every(5000, () => void reapOrphans(master.children)) : () => {};
  const quietly = (what: string, close: () => void) => {
    try {
      close();
    } catch (error) {
      // On a file system that has become read-only the socket's name stays; the next start replaces it.
      master.log.note("master", "warning", `cannot close the ${what}: ${systemErrorText(error)}`);
    }
  };
  return () => {
    reaper();
    quietly("control socket", () => control?.close());
    quietly("http listener", () => http?.stop());
  };
}

async function openControl(master: Master): Promise<Listener | undefined> {
  try {
    return await openControlServer({
      queueDirectory: master.configuration.settings.queue_directory,
      uid: master.uid,
      users: () => master.configuration.settings,
      userName: (uid) => userById(uid)?.name,
      mailOwner: () => master.mailOwner,
      service: master.control,
    });
  } catch (error) {
    master.log.note(
      "master",
      "error",
      `control socket: ${systemErrorText(error)}; "mta status", "reload" and the queue tools will not work`,
    );
    return undefined;
  }
}

/** A busy address stops the start only where the operator asked for it. */
async function openHttp(master: Master): Promise<HttpServer | undefined> {
  const { http_listen: listen } = master.configuration.settings;
  if (listen === "") return undefined;
  const { openHttpServer } = await import("../http/server.ts");
  try {
    return await openHttpServer(listen, {
      version: VERSION,
      uptime: () => master.uptime(),
      readiness: () => master.readiness(),
      acmeAnswer: (token) => master.acme.answer(token),
      metrics: () => master.metricsText(),
      stsPolicy: (host) => policyServedFor(host, master.configuration.settings),
    });
  } catch (error) {
    const why = systemErrorText(error);
    if (master.configuration.isSet("http_listen")) throw new StartFault(why, { cause: error });
    master.log.note("master", "warning", `${why}; going on without health checks and metrics`);
    return undefined;
  }
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
