import { systemClock, waitingNow } from "../base/clock.ts";
import { ServiceEnd } from "../base/ending.ts";
import { readJson } from "../base/bounded_json.ts";
import { Misfit } from "../base/shape.ts";
import { printDiagnostic } from "../config/syntax/diagnostic.ts";
import { SigningKeys } from "../cleanup/signing/signing_keys.ts";
import { splitList } from "../config/syntax/list.ts";
import { loadConfiguration } from "../config/load.ts";
import type { Configuration, Service } from "../config/service.ts";
import { createLog } from "../observe/create_log.ts";
import { countEvents } from "../observe/event_metrics.ts";
import type { Log } from "../observe/log.ts";
import type { LogWriter } from "../observe/log_writer.ts";
import { Metrics } from "../observe/metrics.ts";
import { countLostLines } from "../observe/lost_lines.ts";
import { countProcess } from "../observe/process_metrics.ts";
import { listen, type Listener, onConnectionBug } from "../platform/socket/connection.ts";
import { hostName } from "../platform/host.ts";
import { giveBackAtRest } from "../platform/process/idle_memory.ts";
import { onSignal, onUncaught, ownPid } from "../platform/process/signals.ts";
import { type ParentChannel, parentChannel } from "../platform/socket/child.ts";
import { systemErrorText } from "../platform/system_error.ts";
import { every } from "../platform/timer.ts";
import { openStore } from "../queue/file_store/open_store.ts";
import { QueueFault, type QueueStore } from "../queue/store.ts";
import { Answering } from "./questions/answering.ts";
import { assemble } from "./assemble.ts";
import type { Assembly } from "./assembly.ts";
import { systemTlsFiles } from "../tls/tls_files.ts";
import { lineStyle, writerFor } from "./log_target.ts";
import { countQueue, queueReporter } from "./services/queue_events.ts";
import { MasterQuestions } from "./questions/master_questions.ts";
import type { WorkerParts } from "./questions/worker_parts.ts";
import { type Boot, type FromWorker, type ToWorker, toWorker } from "./protocol/worker_protocol.ts";

/** How often a worker tells master its numbers, in milliseconds. */
const REPORT = 5000;
/** How often the first worker looks for what workers that are gone have left, or what could not be taken over, in milliseconds. */
const ADOPT = 10_000;
/** So many looks are left out after one that failed. */
const ADOPTION_RESTS = 6;
/** A queue that is loaded within so many milliseconds is whole when the worker begins to serve; a larger one is loaded behind. */
const LOADING = 10;
/** How long a worker goes on whose master is gone. */
const ORPHANED = 10_000;

/** A process started as `--worker`: waits for its boot message, serves until it is drained; answers the exit status. */
export async function runWorker(): Promise<number> {
  const channel = parentChannel();
  if (channel === undefined) return 1;
  return await new Worker(channel).run();
}

/** The process's side of WorkerProcess. */
class Worker {
  readonly #channel: ParentChannel;
  readonly #metrics = new Metrics();
  readonly #ended = Promise.withResolvers<number>();
  readonly #questions = new MasterQuestions((message) => this.#send(message));
  readonly #answering = new Answering((message) => this.#send(message));
  #writer?: LogWriter;
  #log?: Log;
  #store?: QueueStore;
  #assembly?: Assembly;
  #configuration?: Configuration;
  #listeners: readonly Listener[] = [];
  readonly #end = new ServiceEnd(systemClock);
  #draining = false;
  /** What the process ends with. */
  #status = 0;
  #countQueue: () => Promise<void> = () => Promise.resolve();
  #adoptionRests = 0;
  /** What master lends of the files of TLS. */
  #keys: Readonly<Record<string, string>> = {};

  constructor(channel: ParentChannel) {
    this.#channel = channel;
  }

  async run(): Promise<number> {
    // A signal to the whole process group (Ctrl-C, a container's stop) is master's to answer.
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) onSignal(name, () => {});
    this.#channel.onMessage((line) => {
      const message = readJson(line, toWorker);
      if (message instanceof Misfit) {
        this.#log?.emit("master", "bug", { what: `message of master: ${message}` });
      } else this.#take(message);
    });
    this.#channel.onClose(() => void this.#drain(ORPHANED, true));
    const code = await this.#ended.promise;
    this.#writer?.flush();
    await this.#channel.finish();
    return code;
  }

  #send(message: FromWorker): void {
    this.#channel.send(JSON.stringify(message));
  }

  #take(message: ToWorker): void {
    switch (message.is) {
      case "boot":
        return void this.#boot(message.boot).catch((error) => this.#unfit(error));
      case "drain":
        return void this.#drain(message.within, message.hurry);
      case "keys":
        this.#keys = message.keys;
        return;
      case "adopt":
        return void this.#adopt();
      case "ask":
        return void this.#answering.answer(message, this.#parts());
      case "more":
        return this.#answering.more(message.id);
      case "cancel":
        return this.#answering.cancel(message.id);
      case "answer":
        return this.#questions.answered(message.id, message.value);
      case "refusal":
        return this.#questions.refused(message.id, message.fault);
    }
  }

  async #boot(boot: Boot): Promise<void> {
    const configuration = this.#configuration = configurationOf(boot);
    const { settings } = configuration;
    this.#keys = boot.configuration.texts.keys ?? {};
    const writer = writerFor(boot.log, settings, lineStyle(settings, hostName(), ownPid()), {
      lost: countLostLines(this.#metrics),
    });
    this.#writer = writer;
    const observe = countEvents(this.#metrics);
    const logFor = ({ syslog_name: syslogName }: Service["settings"]) =>
      createLog({ syslogName, writer, observe });
    const log = this.#log = logFor(settings);
    this.#watchBugs(log);
    countProcess(this.#metrics, String(boot.index));
    const store = this.#store = await this.#openStore(configuration, log);
    this.#countQueue = countQueue(store, this.#metrics);
    const tlsFiles = systemTlsFiles(() => this.#keys);
    const assembly = this.#assembly = await assemble({
      configuration,
      store,
      metrics: this.#metrics,
      logFor,
      index: boot.index,
      workers: boot.workers,
      helpers: boot.helpers,
      openFiles: boot.openFiles,
      tlsFiles,
      signingKeys: new SigningKeys(tlsFiles, (text) => log.note("cleanup", "warning", text)),
      request: this.#questions.ask,
    });
    await this.#loadedSoon(store);
    this.#listeners = await this.#listen(boot, configuration, assembly);
    this.#send({ is: "ready" });
    assembly.start();
    giveBackAtRest();
    every(REPORT, () => void this.#snapshot());
    if (boot.index === 0) every(ADOPT, () => this.#adoptionRests-- > 0 ? undefined : void this.#adopt());
  }

  /** Waits a little for what earlier processes left; rejects, now or by the end of this worker, when it cannot be had. */
  async #loadedSoon({ loaded }: QueueStore): Promise<void> {
    let isSoon = true;
    loaded.catch((error) => isSoon || this.#draining ? undefined : this.#giveUp(error));
    await Promise.race([
      loaded,
      new Promise((resolve) => systemClock.after(LOADING, () => resolve(undefined))),
    ]);
    isSoon = false;
  }

  #watchBugs(log: Log): void {
    const report = (error: unknown) => log.emit("master", "bug", { what: errorText(error) });
    onUncaught(report);
    onConnectionBug(report);
  }

  #openStore({ settings }: Configuration, log: Log): Promise<QueueStore> {
    const report = queueReporter(log, this.#metrics);
    const bug = (error: unknown) => log.emit("master", "bug", { what: errorText(error) });
    return openStore({
      directory: settings.queue_directory,
      settings,
      now: () => Math.floor(waitingNow()),
      bySite: splitList(settings.fast_flush_domains).length > 0,
      limits: { longestWait: 1.1 * 1000 * settings.maximal_backoff_time },
      report: (event) => {
        report(event);
        if (event.is === "adopted") void this.#assembly?.flushes.takenOver().catch((error) => bug(error));
      },
    });
  }

  #listen(boot: Boot, configuration: Configuration, assembly: Assembly): Promise<Listener[]> {
    const maxConnections = assembly.mostConnections;
    return Promise.all(boot.listeners.map(({ fd, service }) => {
      const of = configuration.services[service]!;
      return listen({ fd }, { maxConnections }, (connection) => assembly.accept(of, connection));
    }));
  }

  #unfit(error: unknown): void {
    this.#tellUnfit(error);
    this.#ended.resolve(1);
  }

  /** The same for one that serves already: what it has delivered is written down first. */
  #giveUp(error: unknown): void {
    this.#tellUnfit(error);
    this.#status = 1;
    void this.#drain(ORPHANED, true);
  }

  #tellUnfit(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#log?.note("master", "fatal", why);
    if (!(error instanceof QueueFault)) this.#log?.emit("master", "bug", { what: errorText(error) });
    this.#send({ is: "unfit", why });
  }

  async #adopt(): Promise<void> {
    if (this.#draining) return;
    try {
      await this.#store?.adoptOrphans();
    } catch (error) {
      this.#adoptionRests = ADOPTION_RESTS;
      this.#log?.note(
        "master",
        "error",
        `queue: cannot take over what an earlier worker left: ${systemErrorText(error)}`,
      );
    }
    this.#assembly?.wake();
  }

  /** A store that does not answer leaves the gauges as they were. */
  async #snapshot(): Promise<void> {
    await this.#countQueue().catch(() => {});
    this.#send({ is: "metrics", snapshot: this.#metrics.snapshot() });
  }

  #parts(): WorkerParts | undefined {
    const [store, assembly, configuration] = [this.#store, this.#assembly, this.#configuration];
    const log = this.#log;
    if (store === undefined || assembly === undefined || configuration === undefined) return undefined;
    if (log === undefined) return undefined;
    return {
      store,
      log,
      configuration,
      known: (address) => assembly.known(address),
      snapshot: () => this.#snapshot(),
      pickup: () => assembly.pickup(),
      wake: () => assembly.wake(),
      look: (id) => assembly.look(id),
      flushes: assembly.flushes,
    };
  }

  async #finish(step: () => Promise<void> | undefined): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#log?.emit("master", "bug", { what: errorText(error) });
    }
  }

  /** Stops accepting, lets what is in flight end, lets go of the queue, and ends the process. */
  async #drain(within: number, hurry: boolean): Promise<void> {
    this.#end.begin(within, hurry);
    if (this.#draining) return;
    this.#draining = true;
    for (const listener of this.#listeners) listener.close();
    // Each in turn, whatever comes of the others: what was delivered is to be written down in any case.
    await this.#finish(() => this.#assembly?.drain(this.#end));
    // Before the queue is let go: as long as this process is there, its messages are asked of it.
    await this.#finish(() => this.#assembly?.farewell(this.#end));
    await this.#finish(() => this.#assembly?.close());
    await this.#finish(() => this.#store?.close());
    await this.#snapshot();
    this.#ended.resolve(this.#status);
  }
}

function configurationOf({ configuration: { directory, texts } }: Boot): Configuration {
  const loaded = loadConfiguration({ directory, texts });
  if (loaded.is === "loaded") return loaded.configuration;
  throw new Error(loaded.errors.map(printDiagnostic).join("; "));
}

function errorText(error: unknown): string {
  return error instanceof Error ? error.stack ?? error.message : String(error);
}
