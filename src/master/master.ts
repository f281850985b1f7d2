import { type Configuration, type Service, serviceKey } from "../config/service.ts";
import type { Readiness } from "../http/app.ts";
import { createLog } from "../observe/create_log.ts";
import type { Log } from "../observe/log.ts";
import type { LogWriter } from "../observe/log_writer.ts";
import { countLostLines } from "../observe/lost_lines.ts";
import { Metrics } from "../observe/metrics.ts";
import type { Child, ChildHandler, ChildOptions } from "../platform/socket/child.ts";
import type { ControlService } from "./control/control_session.ts";
import { ServiceFault } from "./control/service_fault.ts";
import type { ServiceStatus } from "./control/service_status.ts";
import { controlService } from "./control_answers.ts";
import { askAll } from "./queue_questions.ts";
import { together } from "../flush/flush.ts";
import { addressVerification } from "../worker/address_verification_status.ts";
import { SendingLedger } from "../anvil/sending_ledger.ts";
import { AnvilLedger } from "../anvil/anvil_ledger.ts";
import { type LoginBan, LoginLedger } from "../anvil/login_ledger.ts";
import { KeptBans } from "./kept_bans.ts";
import { Generation, type GenerationHost } from "./generation.ts";
import { HelperProcesses } from "./helper/helper_processes.ts";
import { Leases } from "./limits/leases.ts";
import { ListeningSockets } from "./listening_sockets.ts";
import { isOwnFile, lineStyle, openLogTarget, writerFor } from "../worker/log_target.ts";
import { MetricsCollector } from "./metrics_collector.ts";
import { exposeTokenExpiry } from "./token_expiry.ts";
import { LentWatch } from "./lending/lent_watch.ts";
import { logFindings, orStartFault, portsShut, prepare, type Prepared, readAgain } from "./preparation.ts";
import { readinessOf } from "./readiness.ts";
import { spawnServices } from "./spawn_host.ts";
import type { SpawnServices } from "./spawn/spawn_services.ts";
import { startFindings } from "./check/start_findings.ts";
import { type Finding, findingOf } from "./check/finding.ts";
import type { MasterService } from "../worker/protocol/master_verbs.ts";
import type { LogTarget } from "../worker/protocol/worker_protocol.ts";
import type { MasterWorld } from "./master_world.ts";
import { ownTlsFiles } from "../tls/tls_files.ts";
import type { AcmeProcess } from "./acme/acme_process.ts";
import { TlsCare } from "./tls_care.ts";
import { StartFault } from "../worker/start_fault.ts";

/** How master was started. */
export interface MasterOptions {
  readonly configDirectory: string;
  readonly foreground: boolean;
  readonly journal: boolean;
}

/** Sessions and deliveries may go on so long under the configuration that a reload has replaced: nobody waits for their end. */
const RELOAD_PATIENCE = 30_000;
/** A stop that is not complete so long after shutdown_deadline never will be: it is given up, in milliseconds. */
const STOP_PATIENCE = 10_000;

/** The supervisor (master(8)): configuration, sockets, workers, and answers about them. */
export class Master {
  readonly metrics = new Metrics();
  readonly collector = new MetricsCollector(this.metrics);
  /** Called after a reload with the configuration that was in force before. */
  afterReload: (before: Configuration) => Promise<void> = () => Promise.resolve();
  readonly #lostLines = countLostLines(this.metrics);
  readonly #world: MasterWorld;
  readonly #options: MasterOptions;
  readonly #sockets: ListeningSockets;
  readonly #helpers: HelperProcesses;
  readonly #spawned: SpawnServices;
  readonly #leases = new Leases();
  readonly #anvil: AnvilLedger;
  readonly #tls: TlsCare;
  /** Failed logins: kept over a reload; who is shut out, over a restart too. */
  readonly #logins: LoginLedger;
  readonly #keptBans: KeptBans;
  readonly #sending: SendingLedger;
  readonly #lentWatch: LentWatch;
  #cancelStatus = () => {};
  readonly #startedAt: number;
  readonly #draining = new Set<Generation>();
  readonly #restarts = this.metrics.counter(
    "mta_worker_restarts_total",
    "Workers started again after they died",
  );
  readonly #bans = this.metrics.counter(
    "mta_login_bans_total",
    "Addresses, networks and users that too many failed logins have shut out for a time",
    "kind",
  );
  readonly #reloads = this.metrics.counter("mta_reloads_total", "Reloads by result", "result");
  #configuration: Configuration;
  #current?: Generation;
  /** Started by a reload, and not serving yet. */
  #rising?: Generation;
  #target?: LogTarget;
  #writer?: LogWriter;
  #log?: Log;
  #reloading: Promise<void> = Promise.resolve();
  readonly #stopped = Promise.withResolvers<boolean>();
  readonly #children = new Set<number>();
  #stopping = false;

  constructor(options: MasterOptions, world: MasterWorld, configuration: Configuration) {
    this.#options = options;
    this.#world = world;
    this.#configuration = configuration;
    this.#sockets = new ListeningSockets(world.sockets);
    this.#startedAt = world.now();
    this.#lentWatch = new LentWatch(world, (paths) => void this.#renew(paths));
    this.#tls = new TlsCare({
      world,
      metrics: this.metrics,
      log: () => this.log,
      spawn: (options, handler) => this.#spawn(options, handler),
      // A generation that rises has read its own.
      lend: (keys) => [...this.#draining, this.#current].forEach((each) => each?.lend(keys)),
    });
    exposeTokenExpiry(this.metrics, () => this.#configuration.settings.data_directory);
    this.#anvil = new AnvilLedger(configuration.settings.anvil_rate_time_unit, () => world.now());
    this.#sending = new SendingLedger(configuration.settings, () => world.now());
    this.#logins = new LoginLedger(configuration.settings, () => world.now(), (ban) => this.#tellOfBan(ban));
    this.#keptBans = new KeptBans({
      ledger: this.#logins,
      world,
      dataDirectory: () => this.#configuration.settings.data_directory,
      warn: (text) => this.log.note("master", "warning", text),
    });
    this.#logins.changed = () => this.#keptBans.changed();
    this.#helpers = new HelperProcesses({
      owner: () => this.#current?.plan.identity,
      queueDirectory: configuration.settings.queue_directory,
      openFolder: (path, gid) => world.openSocketFolder(path, { mode: 0o710, gid }),
      closeSocket: (fd) => world.closeSocket(fd),
      spawn: (options, handler) => this.#spawn(options, handler),
      idle: () => this.#configuration.settings.max_idle * 1000,
      bug: (what) => this.log.emit("master", "bug", { what }),
    });
    this.#spawned = spawnServices(configuration, world, {
      spawn: (options, handler) => this.#spawn(options, handler),
      writer: { write: (entry) => this.#writer?.write(entry), flush: () => this.#writer?.flush() ?? 0 },
    });
  }

  get configuration(): Configuration {
    return this.#configuration;
  }

  /** Who the workers are; undefined: the same as master. */
  get mailOwner(): number | undefined {
    return this.#current?.plan.identity?.uid;
  }

  /** Resolves when a stop is over, whatever hangs: with whether it is complete. */
  get stopped(): Promise<boolean> {
    return this.#stopped.promise;
  }

  /** The certificate of acme_domains. */
  get acme(): AcmeProcess {
    return this.#tls.acme;
  }

  /** Process ids of the workers: the runtime waits for them. */
  get children(): ReadonlySet<number> {
    return this.#children;
  }

  /** Process 1 of a container inherits everybody's orphans. */
  get isFirstProcess(): boolean {
    return this.#world.pid === 1;
  }

  get uid(): number {
    return this.#world.uid;
  }

  get log(): Log {
    return this.#log ??= createLog({
      syslogName: this.#configuration.settings.syslog_name,
      writer: { write: (entry) => this.#writer?.write(entry), flush: () => this.#writer?.flush() ?? 0 },
    });
  }

  flushLog(): void {
    this.#writer?.flush();
  }

  /** Opens the log and the sockets and starts the workers; resolves when all serve. Rejects with StartFault. A reload waits until then. */
  start(findings: readonly Finding[]): Promise<void> {
    const started = this.#start(findings);
    this.#reloading = started.catch(() => {});
    return started;
  }

  async #start(findings: readonly Finding[]): Promise<void> {
    const { closeRelays } = await import("./check/close_relays.ts");
    const { configuration, findings: relay } = await closeRelays(this.#configuration, this.#world.world);
    this.#configuration = configuration;
    const prepared = this.#prepare(configuration);
    logFindings([...findings, ...startFindings(configuration), ...relay], this.log);
    await this.#tellOfNames(configuration);
    await this.#tellOfCertificates(configuration);
    if (this.#stopping) return;
    this.#keptBans.restore();
    prepared.plan.sockets.commit();
    orStartFault(() => this.#spawned.apply(this.#configuration, prepared.plan.identity));
    const generation = new Generation(prepared.plan, this.#host());
    this.#current = generation;
    try {
      await generation.start();
    } catch (error) {
      throw new StartFault((error as Error).message, { cause: error });
    }
    if (this.#stopping) return;
    this.#follow(prepared);
    generation.adopt();
    this.#reportClients();
    const { mail_version: version } = this.#configuration.settings;
    this.log.emit("master", "daemonStarted", { version, configuration: this.#configuration.directory });
  }

  /** Everything of a configuration that can fail before a process is started. Throws StartFault with nothing changed. */
  #prepare(configuration: Configuration): Prepared {
    const log = orStartFault(() => openLogTarget(configuration.settings, this.#options));
    if (this.#writer === undefined) this.#useLog(log, configuration);
    try {
      const prepared = prepare(configuration, {
        world: this.#world,
        sockets: this.#sockets,
        log,
        identityOf: (path) => this.#lentWatch.identityOf(path),
      });
      for (const warning of prepared.warnings) this.log.note("master", "warning", warning);
      return prepared;
    } catch (error) {
      this.#closeLog(log);
      throw error;
    }
  }

  #follow({ lent, keys }: Prepared): void {
    this.#lentWatch.follow(lent);
    const identity = this.#current?.plan.identity;
    this.#tls.follow({ configuration: this.#configuration, identity }, keys);
  }

  /** Lent files are others now: workers of the same configuration get it, the old ones finish what they are at. */
  #renew(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      this.log.note("master", "info", `table ${path} has changed -- restarting the workers`);
    }
    const next = this.#reloading.then(() =>
      this.#stopping ? undefined : this.#replaceWorkers(this.#configuration)
    );
    this.#reloading = next.catch((error) => {
      this.log.note("master", "error", `cannot restart the workers: ${(error as Error).message}`);
    });
    return this.#reloading;
  }

  #useLog(target: LogTarget, { settings }: Configuration): void {
    const lost = this.#writer?.flush() ?? 0;
    const style = lineStyle(settings, this.#world.hostName, this.#world.pid);
    this.#writer = writerFor(target, settings, style, { lost: this.#lostLines });
    this.#target = target;
    this.#log = undefined;
    if (lost > 0) {
      this.log.note("master", "warning", `the log before this one lost ${lost} lines: nobody read it`);
    }
  }

  /** Reads the configuration again and replaces the workers (postfix(1), reload). Rejects when the old ones stay. */
  reload(): Promise<void> {
    const next = this.#reloading.then(() => this.#reload());
    this.#reloading = next.catch(() => {});
    return next;
  }

  async #reload(): Promise<void> {
    if (this.#stopping) throw new ServiceFault("unavailable", "the mail system is stopping");
    const before = this.#configuration;
    try {
      const read = readAgain(this.#options.configDirectory, before, {
        world: this.#world,
        log: this.log,
      });
      const configuration = await this.#proveRelay(read);
      refuseToShut(portsShut(before, configuration));
      await this.#tellOfNames(configuration);
      await this.#tellOfCertificates(configuration);
      await this.#replaceWorkers(configuration);
      this.#reloads.add(1, "done");
    } catch (error) {
      const why = (error as Error).message;
      this.#reloads.add(1, "failed");
      const [first = why, ...rest] = why.split("\n");
      for (const line of rest.length === 0 ? [] : [first, ...rest]) this.log.note("master", "error", line);
      this.log.emit("master", "reloadFailed", { why: first });
      throw new ServiceFault("configuration", why, { cause: error });
    }
    const { settings: { mail_version: version }, directory } = this.#configuration;
    this.log.emit("master", "reloaded", { version, configuration: directory });
    await this.afterReload(before);
  }

  async #replaceWorkers(configuration: Configuration): Promise<void> {
    // A stop ends those that it finds: nothing is started after it.
    if (this.#stopping) throw new ServiceFault("unavailable", "the mail system is stopping");
    const prepared = this.#prepare(configuration);
    const { plan } = prepared;
    const { log } = plan;
    const generation = new Generation(plan, this.#host());
    generation.lend(this.#tls.lastGood());
    this.#rising = generation;
    try {
      this.#spawned.apply(configuration, plan.identity);
      await generation.start();
      if (this.#stopping) throw new ServiceFault("unavailable", "the mail system is stopping");
    } catch (error) {
      plan.sockets.rollback();
      this.#spawned.apply(this.#configuration, this.#current?.plan.identity);
      this.#closeLog(log);
      throw error;
    } finally {
      this.#rising = undefined;
    }
    plan.sockets.commit();
    const [old, oldTarget] = [this.#current, this.#target];
    this.#current = generation;
    this.#configuration = configuration;
    this.#useLog(log, configuration);
    this.#follow(prepared);
    this.#reportClients();
    if (oldTarget !== undefined) this.#closeLog(oldTarget);
    if (old !== undefined) void this.#drainOld(old, generation);
  }

  /** For a reload: throws StartFault with the session in which a stranger would relay; says what cannot be known beforehand. */
  async #proveRelay(configuration: Configuration): Promise<Configuration> {
    const { closeRelays } = await import("./check/close_relays.ts");
    const proven = await closeRelays(configuration, this.#world.world);
    const shut = new Set(portsShut(this.#configuration, proven.configuration).map(serviceKey));
    const open = proven.findings.filter(({ closes = [] }) => closes.some((key) => shut.has(key)));
    if (open.length > 0) throw new StartFault(open.map(({ text }) => text).join("\n"));
    logFindings(proven.findings, this.log);
    return proven.configuration;
  }

  /** Says which header checks go by Postfix's name, which is not ours. */
  async #tellOfNames(configuration: Configuration): Promise<void> {
    const { namePatterns } = await import("./check/name_patterns.ts");
    logFindings(namePatterns(configuration).map(findingOf), this.log);
  }

  /** Says what keeps keys and certificates from being served, what others would have against them, and what keeps mail from TLS. */
  async #tellOfCertificates(configuration: Configuration): Promise<void> {
    const { checkCertificates } = await import("./check/check_certificates.ts");
    const { checkClientTls } = await import("./check/check_client_tls.ts");
    const { checkServerTls } = await import("./check/check_server_tls.ts");
    const found = [checkCertificates, checkClientTls, checkServerTls].flatMap((check) =>
      check(configuration, ownTlsFiles)
    );
    logFindings(found, this.log);
  }

  /** anvil(8)'s statistics every anvil_status_update_time, where master counts for several workers. */
  #reportClients(): void {
    const { anvil_rate_time_unit, anvil_status_update_time } = this.#configuration.settings;
    this.#anvil.unit = anvil_rate_time_unit;
    this.#sending.settings = this.#configuration.settings;
    this.#logins.settings = this.#configuration.settings;
    this.#cancelStatus();
    const again = () => {
      this.#anvil.logStatus(this.log);
      this.#cancelStatus = this.#world.after(anvil_status_update_time * 1000, again);
    };
    this.#cancelStatus = this.#world.after(anvil_status_update_time * 1000, again);
  }

  #tellOfBan({ kind, what, failures, until }: LoginBan): void {
    const seconds = Math.round((until - this.#world.now()) / 1000);
    this.#bans.add(1, kind);
    this.log.emit("master", "loginBan", { kind, what, failures, seconds });
  }

  #closeLog(target: LogTarget): void {
    if (isOwnFile(target) && target.fd !== this.#target?.fd) this.#world.closeFile(target.fd);
  }

  async #drainOld(old: Generation, heir: Generation): Promise<void> {
    this.#draining.add(old);
    await old.drain(Math.max(this.#configuration.settings.shutdown_deadline * 1000, RELOAD_PATIENCE), false);
    this.#draining.delete(old);
    (this.#current ?? heir).adopt();
  }

  /** Ends the service: at once when `abort`, else after what is in flight, within shutdown_deadline. */
  async stop(abort: boolean): Promise<void> {
    const now = abort || this.#stopping;
    if (!this.#stopping) this.#limitStop();
    this.#stopping = true;
    await Promise.race([this.#endAll(now), this.stopped]);
  }

  async #endAll(now: boolean): Promise<void> {
    this.#cancelStatus();
    this.#keptBans.stop();
    this.#lentWatch.stop();
    this.#tls.stop();
    this.#sockets.close();
    const generations = [...this.#draining, this.#current, this.#rising].filter((each) => each !== undefined);
    const within = this.#configuration.settings.shutdown_deadline * 1000;
    if (now) generations.forEach((each) => each.kill());
    else await Promise.all(generations.map((each) => each.drain(within, true)));
    await Promise.all(generations.map((each) => each.gone));
    this.#helpers.stop();
    await this.#spawned.stop(now);
    this.#keptBans.stop();
    this.#stopped.resolve(true);
  }

  /** Not every process can be killed, and not every end is told: whoever asked for the stop does not wait for those. */
  #limitStop(): void {
    const cancel = this.#world.after(
      this.#configuration.settings.shutdown_deadline * 1000 + STOP_PATIENCE,
      () => {
        const left = [...this.#children].join(", ");
        this.log.note(
          "master",
          "error",
          `the stop is given up, these processes do not end: ${left || "none"}`,
        );
        this.#stopped.resolve(false);
      },
    );
    void this.stopped.then(cancel);
  }

  /** Carries out requests of the control socket. */
  readonly control: ControlService = controlService({
    serving: () => this.#current?.serving ?? [],
    draining: () => [...this.#draining].flatMap((each) => each.draining),
    status: () => this.status(),
    reload: () => this.reload(),
    end: (how) => {
      this.log.emit("master", "stopping", { how });
      void this.stop(how === "abort");
    },
    metrics: () => this.metricsText(),
    acme: {
      status: () => this.acme.status,
      renew: () => this.acme.renew(),
    },
    note: ({ level, tag, pid }, text) =>
      this.#writer?.write({
        time: this.#world.now(),
        level,
        syslogName: this.#configuration.settings.syslog_name,
        program: "postlog",
        of: { tag, pid },
        text,
      }),
    forgive: (user) => this.#sending.release(user),
    logins: () => this.#logins,
  });

  /** What `mta status --json` prints. */
  status(): ServiceStatus {
    return {
      pid: this.#world.pid,
      version: this.#configuration.settings.mail_version,
      configuration: this.#configuration.directory,
      uptime: this.uptime(),
      stopping: this.#stopping,
      workers: this.#current?.workers ?? [],
      draining: [...this.#draining].flatMap((each) => each.workers),
      ...addressVerification(this.collector.merged()),
    };
  }

  /** Seconds since the start. */
  uptime(): number {
    return Math.round((this.#world.now() - this.#startedAt) / 1000);
  }

  /** The metrics of now: every worker is asked for its numbers first, the deaf one's last ones count. */
  async metricsText(): Promise<string> {
    await Promise.allSettled(
      (this.#current?.serving ?? []).map((each) => each.ask("snapshot", {}, { timeout: 1000 })),
    );
    return this.collector.text();
  }

  /** Whether mail can be taken: all workers serve, and each can write to its queue. */
  async readiness(): Promise<Readiness> {
    const generation = this.#current;
    if (this.#stopping) return { ready: false, reasons: ["the mail system is stopping"] };
    if (generation === undefined) return { ready: false, reasons: ["no workers"] };
    const readiness = await readinessOf(generation);
    return {
      ...readiness,
      notes: [...readiness.notes ?? [], ...this.#tls.notes()],
    };
  }

  #host(): GenerationHost {
    const world = this.#world;
    return {
      spawn: (options, handler) => this.#spawn(options, handler),
      after: (milliseconds, call) => world.after(milliseconds, call),
      now: () => world.now(),
      crashed: (pid, { code, signal, error }, restartIn) => {
        this.#restarts.add(1);
        this.log.emit("master", "workerDied", {
          pid: pid ?? 0,
          ...(code !== null && { code }),
          ...(signal !== null && { signal }),
          ...(error !== undefined && { why: error.message }),
          restartIn,
        });
      },
      metrics: (worker, snapshot, last) => this.collector.take(worker, snapshot, last),
      silent: (pid, seconds, ended) => {
        const after = ended ? ": it is killed and another one takes its place (worker_timeout)" : "";
        const text = `process mta: worker pid ${pid} has not answered for ${seconds} s${after}`;
        this.log.note("master", "warning", text);
      },
      answersAgain: (pid) => this.log.note("master", "info", `process mta: worker pid ${pid} answers again`),
      request: (verb, args, worker) => this.#service[verb](args, worker),
      malformed: (pid, why) =>
        this.log.note("master", "warning", `worker process ${pid} sent what is no message: ${why}`),
      forget: (worker) => {
        this.#leases.forget(worker);
        this.#anvil.forget(worker);
      },
    };
  }

  #spawn(options: ChildOptions, handler: ChildHandler): Child {
    const child: Child = this.#world.spawn(options, {
      message: (message) => handler.message(message),
      exit: (how) => {
        this.#children.delete(child.pid ?? 0);
        handler.exit(how);
      },
    });
    if (child.pid !== undefined) this.#children.add(child.pid);
    return child;
  }

  /** What workers ask for: sockets of delivery helpers, and leases of what is too scarce to be split. */
  readonly #service: MasterService = {
    helper: ({ uid, gid }) => Promise.resolve(this.#helpers.socketFor(uid, gid)),
    lease: async ({ key, limit }, worker) => (await this.#leases.take(key, limit, worker), null),
    release: ({ key }, worker) => Promise.resolve((this.#leases.release(key, worker), null)),
    anvil: ({ events }, worker) => Promise.resolve(this.#anvil.take(worker, events)),
    flush_site: async (args) => together(await askAll(this.#current?.serving ?? [], "flush_site", args)),
    sent: (sent) => Promise.resolve(this.#sending.take(sent)),
    login: (event) => Promise.resolve(this.#logins.take(event)),
  };
}

/** What serves goes on serving: a configuration that would shut a port is not taken over. */
function refuseToShut(ports: readonly Service[]): void {
  if (ports.length === 0) return;
  const why = ports.map(({ name, type, line, closed }) =>
    `service ${name}/${type} (master.cf, line ${line}) would be closed: ${closed}`
  );
  throw new StartFault(why.join("\n"));
}
