import { assertNever } from "../../base/assert_never.ts";
import { readJson } from "../../base/bounded_json.ts";
import { systemClock } from "../../base/clock.ts";
import { Misfit } from "../../base/shape.ts";
import { adoptOrphans } from "../../platform/process/death_signal.ts";
import { childrenOfThisProcess, reapOrphans } from "../../platform/process/reap.ts";
import {
  killGroup,
  onSignal,
  onUncaught,
  signalNumber,
  signalProcess,
} from "../../platform/process/signals.ts";
import { type Child, FIRST_INHERITED, parentChannel, spawnSelf } from "../../platform/socket/child.ts";
import { connectionArguments, NOT_RUN, TAKEN } from "./await_connection.ts";
import { type FromSpawn, LONGEST_OF_SPAWN, type ToSpawn, toSpawn } from "./spawn_protocol.ts";

/** Longest line of a process that waits for a connection. */
const LONGEST_OF_CONNECTION = 64;
/** Wait before another one is started in place of one that failed, in milliseconds. */
const PAUSE = 1000;
/** What is told to end is killed after so many milliseconds. */
const LAST_MOMENT = 1000;
const DAY = 86_400_000;
/** How long the system takes to show what a killed process has left behind, and how often that is looked at. */
const [LOOK_AGAIN, MOST_LOOKS] = [5, 400];

type Serve = Extract<ToSpawn, { is: "serve" }>;
type Exit = { readonly code: number | null; readonly signal: string | null };

/**
 * A process started as `--spawn`, with the identity of the entry's `user=`: runs a command for each connection (spawn(8)). When
 * it ends, or master is gone, everything that its commands have started ends with it.
 */
export async function runSpawn(): Promise<number> {
  const channel = parentChannel();
  if (channel === undefined) return 1;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) onSignal(name, () => {});
  adoptOrphans();
  const tell = (message: FromSpawn) => channel.send(JSON.stringify(message));
  const report = (error: unknown) => {
    const what = String(error instanceof Error ? error.stack : error).slice(0, LONGEST_OF_SPAWN / 4);
    tell({ is: "bug", what });
  };
  onUncaught(report);
  let service: SpawnProcess | undefined;
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = (now: boolean) => service === undefined ? resolve() : service.end(now);
  channel.onClose(() => end(true));
  channel.onMessage((line) => {
    const message = readJson(line, toSpawn);
    if (message instanceof Misfit) return report(new Error(`message of master: ${message}`));
    switch (message.is) {
      case "serve":
        return void (service = new SpawnProcess(message, tell, resolve));
      case "drain":
        return service?.drain();
      case "end":
        return end(message.now);
      default:
        return assertNever(message);
    }
  });
  await promise;
  await channel.finish();
  return 0;
}

/** The commands of one entry: those that run, and the process that waits for the next connection while there may be one more. */
class SpawnProcess {
  readonly #serve: Serve;
  readonly #tell: (message: FromSpawn) => void;
  readonly #over: () => void;
  /** The children that the runtime waits for; what else is a child was left behind by a command. */
  readonly #own = new Set<number>();
  /** Commands that run, and what cancels their time limit. */
  readonly #running = new Map<Child, () => void>();
  #waiting: Child | undefined;
  #state: "serving" | "draining" | "ending" = "serving";

  constructor(serve: Serve, tell: (message: FromSpawn) => void, over: () => void) {
    this.#serve = serve;
    this.#tell = tell;
    this.#over = over;
    onSignal("SIGCHLD", () => void reapOrphans(this.#own));
    this.#await();
  }

  #await(): void {
    const { most, listeners, directory, argv, environment } = this.#serve;
    if (this.#state !== "serving" || this.#waiting !== undefined) return;
    if (most > 0 && this.#running.size >= most) return;
    const child: Child = spawnSelf({
      args: connectionArguments(listeners, directory, argv),
      shownAs: "mta: spawn",
      inherit: Array.from({ length: listeners }, (_, at) => FIRST_INHERITED + at),
      environment,
      silent: true,
      longestMessage: LONGEST_OF_CONNECTION,
    }, {
      message: (line) => line === TAKEN ? this.#taken(child) : this.#failed(line),
      exit: (how) => this.#ended(child, how),
    });
    if (child.pid !== undefined) this.#own.add(child.pid);
    this.#waiting = child;
  }

  #taken(child: Child): void {
    this.#limit(child, this.#serve.timeLimit);
    this.#waiting = undefined;
    this.#await();
  }

  /** A limit may be longer than a timer is. */
  #limit(child: Child, left: number): void {
    const then = left > DAY ? () => this.#limit(child, left - DAY) : () => this.#late(child);
    this.#running.set(child, systemClock.after(Math.min(left, DAY), then));
  }

  #failed(line: string): void {
    const errno = Number(line.slice(NOT_RUN.length));
    this.#tell({ is: "not run", errno: errno > 0 && errno < 256 ? errno : 0 });
  }

  /** Not the command alone but all of its group (spawn(8)). */
  #late({ pid }: Child): void {
    if (pid === undefined) return;
    this.#tell({ is: "late", pid });
    killGroup(pid);
  }

  #ended(child: Child, { code, signal: name }: Exit): void {
    if (child.pid !== undefined) this.#own.delete(child.pid);
    const signal = name === null ? 0 : signalNumber(name);
    const cancel = this.#running.get(child);
    cancel?.();
    this.#running.delete(child);
    if (this.#state === "ending") return;
    if (cancel !== undefined) {
      if (code !== 0) this.#tell({ is: "ended", code, signal });
      this.#await();
    } else if (this.#waiting === child) {
      this.#waiting = undefined;
      if (this.#state === "serving") {
        this.#tell({ is: "no listener", code, signal });
        systemClock.after(PAUSE, () => this.#await());
      }
    }
    this.#endIfDrained();
  }

  /** What waits for a connection goes, unless it has one by now. */
  drain(): void {
    if (this.#state === "serving") this.#state = "draining";
    this.#waiting?.send("end");
    this.#endIfDrained();
  }

  #endIfDrained(): void {
    if (this.#state === "draining" && this.#waiting === undefined && this.#running.size === 0) this.end(true);
  }

  end(now: boolean): void {
    if (this.#state === "ending" && !now) return;
    this.#state = "ending";
    if (now) return void this.#killAll();
    for (const pid of childrenOfThisProcess()) {
      if (!signalProcess(-pid, "SIGTERM")) signalProcess(pid, "SIGTERM");
    }
    const late = systemClock.after(LAST_MOMENT, () => void this.#killAll());
    void this.#untilAlone().then(() => (late(), this.#over()));
  }

  /** Kills what there is until nothing is left: what a killed process has started becomes our child then, whatever its group. */
  async #killAll(): Promise<void> {
    await this.#untilAlone((pid) => void (killGroup(pid), signalProcess(pid, "SIGKILL")));
    this.#over();
  }

  async #untilAlone(each: (pid: number) => void = () => {}): Promise<void> {
    for (let look = 0; look < MOST_LOOKS; look++) {
      const children = childrenOfThisProcess();
      if (children.length === 0) return;
      children.forEach(each);
      reapOrphans(this.#own);
      await new Promise<void>((resolve) => systemClock.after(LOOK_AGAIN, resolve));
    }
  }
}
