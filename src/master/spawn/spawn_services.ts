import { join } from "node:path";
import { readJson } from "../../base/bounded_json.ts";
import { Misfit } from "../../base/shape.ts";
import { type Endpoint, listeningEndpoints } from "../../config/listening_endpoints.ts";
import type { Configuration, Service } from "../../config/service.ts";
import type { World } from "../../config/world.ts";
import type { Log } from "../../observe/log.ts";
import { errnoText } from "../../platform/libc.ts";
import type { Identity } from "../../platform/process/spawn.ts";
import type { Child, ChildHandler, ChildOptions } from "../../platform/socket/child.ts";
import type { QueueSocket } from "../../platform/socket/queue_socket.ts";
import type { SocketAddress } from "../../platform/socket/inherited_sockets.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { readSpawnEntry, type SpawnEntry, systemAccounts } from "./spawn_entry.ts";
import { type FromSpawn, fromSpawn, LONGEST_OF_SPAWN, type ToSpawn } from "./spawn_protocol.ts";

/** What the services need of the master around them. */
export interface SpawnHost {
  readonly world: World;
  readonly environment: Readonly<Record<string, string | undefined>>;
  openInet(at: SocketAddress): number;
  /** A socket in `private` or `public` of the queue directory. */
  openUnix(configuration: Configuration, service: Service, owner: Identity | undefined): QueueSocket;
  closeSocket(fd: number): void;
  spawn(options: ChildOptions, handler: ChildHandler): Child;
  after(milliseconds: number, call: () => void): () => void;
  logFor(service: Service): Log;
}

/** A listening socket of ours, by its name. */
interface Listener {
  readonly fd: number;
  remove(): void;
}

/** An entry that is served. */
interface Served {
  readonly service: Service;
  readonly entry: SpawnEntry;
  /** Names of its listeners. */
  readonly listeners: readonly string[];
  child?: Child;
  cancelRestart?: () => void;
}

/** Wait before a service whose process has died starts again, in milliseconds. */
const RESTART = 1000;
/** Until then all commands of a service that ends are gone; then its process is killed. */
const LONGEST_END = 4000;

/**
 * The spawn(8) services. Each has one process, with the identity of the entry's `user=`, which inherits the listening sockets: master
 * itself accepts no connection. An entry that a reload leaves as it was goes on untouched.
 */
export class SpawnServices {
  readonly #host: SpawnHost;
  readonly #listeners = new Map<string, Listener>();
  /** Keyed by all that makes a difference. */
  #served = new Map<string, Served>();
  /** Processes, with what is called when they are gone. */
  readonly #processes = new Map<Child, () => void>();
  #stopping = false;

  constructor(host: SpawnHost) {
    this.#host = host;
  }

  /**
   * Serves the entries of this configuration, and no others. One that cannot be served is said in the log by name; an inet address that
   * cannot be had throws an Error in master(8)'s words, with nothing changed.
   */
  apply(configuration: Configuration, owner: Identity | undefined): void {
    if (this.#stopping) return;
    const opened: string[] = [];
    const wanted = new Map<string, Served>();
    try {
      for (const service of configuration.services) {
        if (service.program !== "spawn" || service.closed !== undefined) continue;
        const served = this.#read(service, configuration, owner, opened);
        if (served !== undefined) wanted.set(keyOf(served), served);
      }
    } catch (error) {
      this.#close(opened);
      throw error;
    }
    this.#replace(wanted);
  }

  /** Entry and listeners, which are opened where they are not yet. */
  #read(
    service: Service,
    configuration: Configuration,
    owner: Identity | undefined,
    opened: string[],
  ): Served | undefined {
    const inherited = (name: string) => this.#host.environment[name];
    const named = (name: string) => name === "MAIL_CONFIG" ? configuration.directory : inherited(name);
    const entry = readSpawnEntry(service, systemAccounts(owner), named);
    if (typeof entry === "string") return undefined; // said by unservedEntries
    const places = this.#places(service, configuration, owner);
    const listeners: string[] = [];
    for (const [name, open] of places) {
      if (!this.#listeners.has(name)) {
        const listener = open();
        if (listener === undefined) continue;
        this.#listeners.set(name, listener);
        opened.push(name);
      }
      listeners.push(name);
    }
    return listeners.length === 0 ? undefined : { service, entry, listeners };
  }

  #places(
    service: Service,
    configuration: Configuration,
    owner: Identity | undefined,
  ): [name: string, open: () => Listener | undefined][] {
    if (service.type === "inet") {
      const only = { ...configuration, services: [service] };
      const found = listeningEndpoints(only, this.#host.world, ({ program }) => program === "spawn");
      if (found.is === "bad") throw new Error(found.why);
      return found.endpoints.map((at) => [`${at.address} port ${at.port}`, () => this.#openInet(at)]);
    }
    return [[socketName(service), () => this.#openUnix(service, configuration, owner)]];
  }

  #openInet(at: Endpoint): Listener | undefined {
    try {
      return { fd: this.#host.openInet(at), remove: () => {} };
    } catch (error) {
      const { code, errno } = error as NodeJS.ErrnoException;
      if (at.optional && (code === "EAFNOSUPPORT" || code === "EADDRNOTAVAIL")) return undefined;
      const why = errno === undefined ? String(error) : errnoText(errno);
      throw new Error(`bind ${at.address} port ${at.port}: ${why}`, { cause: error });
    }
  }

  #openUnix(
    service: Service,
    configuration: Configuration,
    owner: Identity | undefined,
  ): Listener | undefined {
    try {
      return this.#host.openUnix(configuration, service, owner);
    } catch (error) {
      const where = join(configuration.settings.queue_directory, socketName(service));
      this.#host.logFor(service).note("spawn", "error", `cannot serve ${where}: ${systemErrorText(error)}`);
      return undefined;
    }
  }

  #replace(wanted: Map<string, Served>): void {
    const before = this.#served;
    this.#served = new Map([...wanted].map(([key, served]) => [key, before.get(key) ?? served]));
    for (const [key, { child, cancelRestart }] of before) {
      if (wanted.has(key)) continue;
      cancelRestart?.();
      if (child !== undefined) this.#tell(child, { is: "drain" });
    }
    for (const [key, served] of this.#served) {
      if (!before.has(key)) this.#start(served);
    }
    const kept = new Set([...this.#served.values()].flatMap(({ listeners }) => listeners));
    this.#close([...this.#listeners.keys()].filter((name) => !kept.has(name)));
  }

  #close(names: readonly string[]): void {
    for (const name of names) {
      const listener = this.#listeners.get(name);
      if (listener === undefined) continue;
      this.#listeners.delete(name);
      this.#host.closeSocket(listener.fd);
      try {
        listener.remove();
      } catch { /* whoever owns the folder has put something else there */ }
    }
  }

  #tell(child: Child, message: ToSpawn): void {
    child.send(JSON.stringify(message));
  }

  #start(served: Served): void {
    const { entry, listeners, service } = served;
    const log = this.#host.logFor(service);
    const child: Child = this.#host.spawn({
      args: ["--spawn"],
      shownAs: `mta: spawn ${service.name}`,
      ...(entry.identity !== undefined && { identity: entry.identity }),
      inherit: listeners.map((name) => this.#listeners.get(name)!.fd),
      // It is its user's process: he may write to what is open in it, a terminal of root's or the log.
      silent: true,
      environment: { PATH: "/usr/bin:/bin" },
      longestMessage: LONGEST_OF_SPAWN,
    }, {
      message: (line) => {
        const message = readJson(line, fromSpawn);
        if (message instanceof Misfit) log.note("spawn", "warning", `${service.name}: ${message}`);
        else say(log, entry, message);
      },
      exit: ({ code, signal }) => {
        this.#processes.get(child)?.();
        this.#processes.delete(child);
        if (served.child !== child) return;
        served.child = undefined;
        if (this.#stopping || ![...this.#served.values()].includes(served)) return;
        const how = signal === null ? `exit status ${code}` : `killed by ${signal}`;
        log.note("master", "warning", `process spawn ${service.name} pid ${child.pid} ${how}`);
        served.cancelRestart = this.#host.after(RESTART, () => this.#start(served));
      },
    });
    served.child = child;
    this.#processes.set(child, () => {});
    const { argv, environment, directory, most, timeLimit } = entry;
    this.#tell(child, {
      is: "serve",
      argv,
      environment,
      directory,
      most,
      timeLimit,
      listeners: listeners.length,
    });
  }

  /** Ends all with everything that was started; resolves when nothing is left. */
  async stop(now: boolean): Promise<void> {
    this.#stopping = true;
    const gone = [...this.#processes.keys()].map((child) =>
      new Promise<void>((resolve) => {
        this.#processes.set(child, resolve);
        this.#tell(child, { is: "end", now });
      })
    );
    for (const { cancelRestart } of this.#served.values()) cancelRestart?.();
    this.#close([...this.#listeners.keys()]);
    const cancel = this.#host.after(LONGEST_END, () => {
      for (const child of this.#processes.keys()) child.kill("SIGKILL");
    });
    await Promise.all(gone);
    cancel();
  }
}

/** The name of a unix service's socket below the queue directory (master(5), the private field). */
export function socketName({ name, private: isPrivate }: Service): string {
  return `${isPrivate ? "private" : "public"}/${name}`;
}

function keyOf({ service, entry, listeners }: Served): string {
  return JSON.stringify([service.name, service.settings.syslog_name, entry, listeners]);
}

/** What spawn(8) says of a command. */
function say(log: Log, { argv: [program] }: SpawnEntry, message: FromSpawn): void {
  const warn = (text: string) => log.note("spawn", "warning", text);
  switch (message.is) {
    case "late":
      return warn(`${program}: process id ${message.pid}: command time limit exceeded`);
    case "not run":
      return log.note("spawn", "fatal", `spawn_comand: execvp ${program}: ${errnoText(message.errno)}`);
    case "ended":
      return warn(`command ${program} ${howEnded(message)}`);
    case "no listener":
      return warn(`the process that waits for connections of ${program} ended: ${howEnded(message)}`);
    case "bug":
      return log.note("spawn", "error", message.what);
  }
}

function howEnded({ code, signal }: { readonly code: number | null; readonly signal: number }): string {
  return signal > 0 ? `killed by signal ${signal}` : `exit status ${code ?? 1}`;
}
