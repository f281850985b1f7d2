import type { Identity } from "../platform/process/spawn.ts";
import {
  type Child,
  type ChildHandler,
  type ChildOptions,
  FIRST_INHERITED,
} from "../platform/socket/child.ts";
import type { MetricsSnapshot } from "../observe/metrics.ts";
import type { Endpoint } from "../config/listening_endpoints.ts";
import type { PreparedSockets } from "./listening_sockets.ts";
import { Watchdog, type Watched } from "./watchdog.ts";
import { type WorkerExit, WorkerProcess } from "./worker_process.ts";
import type { MasterArgs, MasterResult, MasterVerb } from "../worker/protocol/master_verbs.ts";
import type { Boot, ConfigurationText, LogTarget } from "../worker/protocol/worker_protocol.ts";
import type { WorkerStatus } from "./control/service_status.ts";

/** What a generation of workers is made of: one configuration and how to start processes with it. */
export interface GenerationPlan {
  readonly configuration: ConfigurationText;
  /** What the workers are lent of files of TLS, at first. */
  readonly keys: Readonly<Record<string, string>>;
  readonly workers: number;
  readonly endpoints: readonly Endpoint[];
  readonly sockets: PreparedSockets;
  readonly log: LogTarget;
  readonly identity?: Identity;
  readonly environment: Readonly<Record<string, string>>;
  readonly openFiles: number;
  /** A worker that answers nothing for so many milliseconds is replaced (worker_timeout). */
  readonly workerTimeout: number;
}

/** What a generation needs of the master around it. */
export interface GenerationHost {
  spawn(options: ChildOptions, handler: ChildHandler): Child;
  /** Calls once after so many milliseconds; the answer cancels. */
  after(milliseconds: number, call: () => void): () => void;
  now(): number;
  /** A worker died that should not have; it is started again after so many milliseconds. */
  crashed(pid: number | undefined, how: WorkerExit, restartIn: number): void;
  /** Metrics of one worker; `last` when it is gone. */
  metrics(worker: number, snapshot: MetricsSnapshot, last: boolean): void;
  /** Something that a worker, known by its number, asks for. */
  request<V extends MasterVerb>(verb: V, args: MasterArgs<V>, worker: number): Promise<MasterResult<V>>;
  /** A worker answers nothing any more; `ended` when it is killed for that. */
  silent(pid: number | undefined, seconds: number, ended: boolean): void;
  answersAgain(pid: number | undefined): void;
  /** A worker sent what is no message. */
  malformed(pid: number | undefined, why: string): void;
  /** A worker is gone, with everything that it had asked for. */
  forget(worker: number): void;
}

/** A worker that lived this long did not die of its start. */
const SETTLED = 10_000;
/** Wait before start n + 1 of a worker that keeps dying: the first at once. */
const BACKOFF = [0, 500, 1000, 2000, 5000, 10_000];
/** A killed worker gets this long beyond the deadline. */
const GRACE = 2000;

interface Member {
  readonly index: number;
  worker?: WorkerProcess;
  state: WorkerStatus["state"];
  startedAt: number;
  failures: number;
  restarts: number;
  /** Its process as the watchdog sees it. */
  watched?: Watched;
  snapshot?: MetricsSnapshot;
  cancelRestart?: () => void;
  onGone?: () => void;
}

let serial = 0;

/** The workers of one configuration, kept alive until they are drained. */
export class Generation {
  readonly plan: GenerationPlan;
  readonly #host: GenerationHost;
  readonly #members: Member[];
  /** Numbers that no other worker of this master has had: metrics of different lives do not mix. */
  readonly #serials = new WeakMap<WorkerProcess, number>();
  readonly #first = Promise.withResolvers<void>();
  readonly #gone = Promise.withResolvers<void>();
  readonly #watchdog: Watchdog;
  #over = false;
  #keys: Readonly<Record<string, string>>;

  constructor(plan: GenerationPlan, host: GenerationHost) {
    this.plan = plan;
    this.#keys = plan.keys;
    this.#host = host;
    this.#watchdog = new Watchdog({
      limit: plan.workerTimeout,
      after: (milliseconds, call) => host.after(milliseconds, call),
      watched: () => this.#members.flatMap(({ state, watched }) => state === "ready" ? watched ?? [] : []),
      silent: (pid, seconds, ended) => host.silent(pid, seconds, ended),
      answersAgain: (pid) => host.answersAgain(pid),
    });
    this.#members = Array.from({ length: plan.workers }, (_, index): Member => ({
      index,
      state: "starting",
      startedAt: host.now(),
      failures: 0,
      restarts: 0,
    }));
  }

  /** Starts the workers; resolves when all serve, or are told to end meanwhile; rejects when one cannot serve (then none is left). */
  async start(): Promise<void> {
    for (const member of this.#members) this.#startMember(member);
    try {
      await this.#first.promise;
      if (!this.#over) this.#watchdog.start();
    } catch (error) {
      await (this.#over ? this.gone : this.stop());
      throw error;
    }
  }

  get workers(): readonly WorkerStatus[] {
    return this.#members.map(({ worker, index, state, startedAt, restarts }) => ({
      ...(worker?.pid !== undefined && { pid: worker.pid }),
      index,
      state,
      uptime: Math.round((this.#host.now() - startedAt) / 1000),
      restarts,
    }));
  }

  /** Processes that serve now. */
  get serving(): readonly WorkerProcess[] {
    return this.#members.flatMap(({ state, worker }) =>
      state === "ready" && worker !== undefined ? [worker] : []
    );
  }

  /** Processes that finish what is in flight. */
  get draining(): readonly WorkerProcess[] {
    return this.#members.flatMap(({ state, worker }) =>
      state === "draining" && worker !== undefined ? [worker] : []
    );
  }

  get complete(): boolean {
    return this.#members.every(({ state }) => state === "ready");
  }

  /** Lends all workers, those that are started later too, files of TLS as they are now. */
  lend(keys: Readonly<Record<string, string>>): void {
    this.#keys = { ...this.#keys, ...keys };
    for (const { worker } of this.#members) worker?.send({ is: "keys", keys: this.#keys });
  }

  /** Tells one worker to take over what those that are gone have left in the queue. */
  adopt(): void {
    this.serving[0]?.send({ is: "adopt" });
  }

  /**
   * Lets all finish what is in flight within so many milliseconds; in a hurry, only what cannot be given up without loss. Resolves when
   * all are gone. A drain under way goes on faster when it is told so.
   */
  async drain(within: number, hurry: boolean): Promise<void> {
    if (this.#over) {
      if (hurry) this.#hurry(within);
      return await this.gone;
    }
    await this.#end((member, worker) => {
      member.state = "draining";
      return this.#drainWorker(worker, within, hurry);
    });
  }

  #drainWorker(worker: WorkerProcess, within: number, hurry: boolean): () => void {
    worker.send({ is: "drain", within, hurry });
    return this.#host.after(within + GRACE, () => worker.kill());
  }

  #hurry(within: number): void {
    for (const { worker } of this.#members) if (worker !== undefined) this.#drainWorker(worker, within, true);
  }

  /** Ends all at once: what they accepted is on disk, what is in flight is tried again. */
  async stop(): Promise<void> {
    await this.#end((member, worker) => {
      member.state = "draining";
      worker.kill();
      return () => {};
    });
  }

  /** Cuts a drain short. */
  kill(): void {
    if (!this.#over) return void this.stop();
    for (const { worker } of this.#members) worker?.kill();
  }

  /** Resolves when drained or stopped. */
  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  async #end(how: (member: Member, worker: WorkerProcess) => () => void): Promise<void> {
    this.#over = true;
    this.#watchdog.stop();
    await Promise.all(this.#members.map((member) => {
      member.cancelRestart?.();
      const { worker } = member;
      if (worker === undefined) return undefined;
      return new Promise<void>((resolve) => {
        let cancel = () => {};
        member.onGone = () => (cancel(), resolve());
        cancel = how(member, worker);
      });
    }));
    // A start that still waits waits for nobody.
    this.#first.resolve();
    this.#gone.resolve();
  }

  #startMember(member: Member): void {
    member.state = "starting";
    member.startedAt = this.#host.now();
    const { sockets, fds } = this.#socketsOf(member.index);
    const { plan } = this;
    const worker: WorkerProcess = new WorkerProcess(
      (options, handler) => this.#host.spawn(options, handler),
      {
        args: ["--worker"],
        shownAs: "mta: worker",
        ...(plan.identity !== undefined && { identity: plan.identity }),
        inherit: [plan.log.fd, ...fds],
        environment: plan.environment,
      },
      {
        ready: () => this.#ready(member),
        unfit: (why) => this.#first.reject(new Error(why)),
        metrics: ({ snapshot }) => {
          member.snapshot = snapshot;
          this.#watchdog.heard(watched);
          this.#host.metrics(this.#serials.get(worker)!, snapshot, false);
        },
        request: (verb, args) => this.#host.request(verb, args, this.#serials.get(worker)!),
        malformed: (why) => this.#host.malformed(worker.pid, why),
        exit: (how) => this.#exited(member, worker, how),
      },
    );
    this.#serials.set(worker, ++serial);
    const watched: Watched = {
      pid: worker.pid,
      ask: () => void worker.ask("snapshot", {}, { timeout: plan.workerTimeout }).catch(() => {}),
      kill: () => worker.kill(),
    };
    member.watched = watched;
    member.worker = worker;
    worker.send({ is: "boot", boot: this.#boot(member, sockets) });
  }

  /** Each worker's share of every endpoint's sockets. */
  #socketsOf(index: number): { readonly sockets: Boot["listeners"]; readonly fds: readonly number[] } {
    const { endpoints, sockets, workers } = this.plan;
    const fds: number[] = [];
    const listeners = endpoints.flatMap((endpoint) =>
      sockets.of(endpoint).filter((_, k) => k % workers === index).map((fd) => {
        fds.push(fd);
        const { service, address, port } = endpoint;
        return { service, address, port, fd: FIRST_SOCKET + fds.length - 1 };
      })
    );
    return { sockets: listeners, fds };
  }

  #boot(member: Member, listeners: Boot["listeners"]): Boot {
    const { configuration: { directory, texts }, workers, log, openFiles } = this.plan;
    return {
      configuration: { directory, texts: { ...texts, keys: this.#keys } },
      workers,
      openFiles,
      listeners,
      index: member.index,
      log: { is: log.is, fd: LOG_DESCRIPTOR },
      helpers: this.plan.identity !== undefined,
    };
  }

  #ready(member: Member): void {
    member.state = "ready";
    if (this.complete) this.#first.resolve();
  }

  #exited(member: Member, worker: WorkerProcess, how: WorkerExit): void {
    member.worker = undefined;
    if (member.snapshot !== undefined) this.#host.metrics(this.#serials.get(worker)!, member.snapshot, true);
    member.snapshot = undefined;
    this.#host.forget(this.#serials.get(worker)!);
    if (this.#over) return member.onGone?.();
    if (how.error !== undefined) this.#first.reject(how.error);
    member.failures = this.#host.now() - member.startedAt > SETTLED ? 0 : member.failures + 1;
    if (member.failures > BACKOFF.length) {
      this.#first.reject(new Error(`worker process ${worker.pid} keeps dying`));
    }
    const wait = BACKOFF[Math.min(Math.max(member.failures - 1, 0), BACKOFF.length - 1)]!;
    member.state = "waiting";
    member.restarts++;
    this.#host.crashed(worker.pid, how, wait);
    member.cancelRestart = this.#host.after(wait, () => this.#startMember(member));
  }
}

/** Where a worker finds its log and its first listening socket. */
const LOG_DESCRIPTOR = FIRST_INHERITED;
const FIRST_SOCKET = LOG_DESCRIPTOR + 1;
