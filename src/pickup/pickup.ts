import { pauseWhenDue } from "../base/pause_when_due.ts";
import { NO_CHARACTER } from "../platform/file/folder/folder_entries.ts";
import { watchFolder } from "../platform/file/folder/folder_watch.ts";
import { systemErrorText } from "../platform/system_error.ts";
import { every } from "../platform/timer.ts";
import type { QueueId } from "../queue/envelope.ts";
import { BadDrops } from "./bad_drops.ts";
import { BoundedWarnings } from "./bounded_warnings.ts";
import { dropFolder, isDropName } from "./drop/drop_folder.ts";
import { DropFinder } from "./drop_finder.ts";
import type { PickupDeps } from "./pickup_deps.ts";
import { type Fate, submitDrop } from "./submit_drop.ts";
import { WaitingDrops } from "./waiting_drops.ts";

/** So many drops become messages at a time: enough for one sync of the queue to serve many, and few enough beside the network's mail. */
const AT_A_TIME = 100;
/** Names that were heard of and not looked at yet, at most: beyond, everything is looked at. */
const MOST_HEARD = 1000;
/** Files that are being written are looked at again, in milliseconds; so many at most, beside the look at everything. */
const [FIRST_LOOK, LAST_LOOK] = [10, 5000];
const MOST_UNFINISHED = 1000;
/** Whatever is older than this, in milliseconds, is every worker's: the one whose it is may be gone. */
const ANYBODYS = 30_000;
/** Without a watch, everything is looked at so often, in milliseconds. */
const WITHOUT_WATCH = 1000;
/** A queue that takes no mail is asked again, in milliseconds. */
const [FIRST_PAUSE, LAST_PAUSE] = [1000, 60_000];

/** Makes messages of what users drop (pickup(8)). */
export interface Pickup {
  start(): void;
  /** Looks at everything now. */
  look(): void;
  /** Takes nothing more; resolves when what was begun is over. */
  stop(): Promise<void>;
}

/** Builds the service of one worker. */
export function createPickup(deps: PickupDeps): Pickup {
  return new Service(deps);
}

class Service implements Pickup {
  readonly #deps: PickupDeps;
  readonly #warnings: BoundedWarnings;
  readonly #bad: BadDrops;
  readonly #finder: DropFinder;
  readonly #waiting: WaitingDrops;
  readonly #running = new Set<Promise<void>>();
  /** What is to be taken, by age. */
  #names: readonly string[] = [];
  #next = 0;
  readonly #heard = new Set<string>();
  /** What is being written. */
  readonly #unfinished = new Set<string>();
  #isLookWanted = true;
  #isLooking = false;
  #pause = 0;
  #cancelPause: (() => void) | undefined;
  #cancelSlow = () => {};
  #closeWatch: (() => void) | undefined;
  #isUnwatchedTold = false;
  #isStopped = false;

  constructor(deps: PickupDeps) {
    const { settings: { queue_directory }, log, clock } = deps;
    this.#deps = deps;
    this.#warnings = new BoundedWarnings(log, clock);
    this.#bad = new BadDrops(queue_directory, this.#warnings);
    this.#finder = new DropFinder(dropFolder(queue_directory), this.#bad, () => clock.now());
    this.#waiting = new WaitingDrops(clock, () => this.#pump());
  }

  start(): void {
    this.#deps.store.custody.onLeft(() => this.#pump());
    this.#lookRegularly();
    this.#pump();
  }

  /** Watches the folder if it can be watched, and looks at everything now and then, more often where it cannot. */
  #lookRegularly(): void {
    this.#cancelSlow();
    if (this.#isStopped) return;
    this.#closeWatch ??= this.#watch();
    const watched = this.#closeWatch !== undefined;
    this.#cancelSlow = every(watched ? (this.#deps.wakeup || 60) * 1000 : WITHOUT_WATCH, () => {
      if (!watched) this.#lookRegularly();
      this.look();
    });
  }

  #watch(): (() => void) | undefined {
    const folder = dropFolder(this.#deps.settings.queue_directory);
    const failed = (error: unknown) => {
      if (!this.#isUnwatchedTold) this.#warnings.say(`cannot watch ${folder}: ${systemErrorText(error)}`);
      this.#isUnwatchedTold = true;
    };
    try {
      return watchFolder(folder, (name) => this.#hear(name), (error) => {
        failed(error);
        this.#closeWatch?.();
        this.#closeWatch = undefined;
        this.#lookRegularly();
      });
    } catch (error) {
      failed(error);
      return undefined;
    }
  }

  look(): void {
    this.#isLookWanted = true;
    this.#pump();
  }

  /** Something has happened to a name. */
  #hear(name: string | undefined): void {
    if (name !== undefined && this.#next < this.#names.length) this.#isLookWanted = true; // it comes in its turn
    else if (name?.includes(NO_CHARACTER) !== false || this.#heard.size >= MOST_HEARD) {
      this.#isLookWanted = true;
    } else if (this.#isMine(name)) this.#heard.add(name);
    this.#pump();
  }

  /** Names are random, so each worker has about as many; what has another's kind of name is the first one's. */
  #isMine(name: string): boolean {
    const { index, workers } = this.#deps;
    const place = isDropName(name) ? Number.parseInt(name.slice(-6), 16) : 0;
    return place % workers === index;
  }

  #isAnybodys(name: string): boolean {
    return isDropName(name) && this.#deps.clock.now() - Number.parseInt(name.slice(0, 12), 16) > ANYBODYS;
  }

  /** Goes on as far as it may. */
  #pump(): void {
    while (!this.#isStopped && this.#cancelPause === undefined && this.#running.size < AT_A_TIME) {
      const begun = this.#begin();
      if (begun === undefined) break;
      const running: Promise<void> = begun.finally(() => {
        this.#running.delete(running);
        this.#pump();
      });
      this.#running.add(running);
    }
  }

  /** Begins with the next one; undefined when there is none. */
  #begin(): Promise<void> | undefined {
    const id = this.#waiting.next() ?? this.#left();
    if (id !== undefined) return this.#submit(id);
    for (;;) {
      const pause = pauseWhenDue();
      if (pause !== undefined) return pause;
      const name = this.#nextName();
      if (name === undefined) return this.#isLookWanted && !this.#isLooking ? this.#lookAround() : undefined;
      const taken = this.#take(name);
      if (taken !== undefined) return this.#submit(taken);
      if (this.#cancelPause !== undefined) return undefined;
    }
  }

  /** What an earlier process has taken. */
  #left(): QueueId | undefined {
    for (const id of this.#deps.store.custody.left()) this.#waiting.add(id);
    return this.#waiting.next();
  }

  #nextName(): string | undefined {
    if (this.#next < this.#names.length) return this.#names[this.#next++];
    const [heard] = this.#heard;
    if (heard !== undefined) this.#heard.delete(heard);
    return heard;
  }

  /** Takes a drop into custody; undefined when there is none of that name, or not yet, or when it must wait. */
  #take(name: string): QueueId | undefined {
    const { store } = this.#deps;
    try {
      const found = this.#finder.judge(name);
      if (found === "unfinished") this.#lookAgain(name, FIRST_LOOK);
      if (found !== "whole") return undefined;
      const trouble = store.refusal(0);
      if (trouble !== undefined) {
        this.#rest(trouble.message);
        return undefined;
      }
      const id = store.newId();
      return store.custody.take(this.#finder.path(name), id) ? id : undefined;
    } catch (error) {
      this.#rest(`cannot take what is in ${this.#finder.path("")}: ${systemErrorText(error)}`);
      return undefined;
    }
  }

  /** Somebody writes it: of two changes that follow at once only the first may be heard of, so it is looked at again for a while. */
  #lookAgain(name: string, wait: number): void {
    if (this.#unfinished.has(name) || this.#unfinished.size >= MOST_UNFINISHED || wait > LAST_LOOK) return;
    this.#unfinished.add(name);
    this.#deps.clock.after(wait, () => {
      this.#unfinished.delete(name);
      if (this.#isStopped) return;
      if (this.#finder.judge(name) === "unfinished") return this.#lookAgain(name, wait * 2);
      this.#heard.add(name);
      this.#pump();
    });
  }

  /** The queue takes nothing for now: everything stays where it is. */
  #rest(why: string): void {
    if (this.#pause === 0) this.#warnings.say(`local mail waits: ${why}`);
    this.#pause = Math.min(Math.max(this.#pause * 2, FIRST_PAUSE), LAST_PAUSE);
    this.#isLookWanted = true;
    this.#cancelPause ??= this.#deps.clock.after(this.#pause, () => {
      this.#cancelPause = undefined;
      this.#pump();
    });
  }

  async #lookAround(): Promise<void> {
    this.#isLooking = true;
    this.#isLookWanted = false;
    try {
      const look = await this.#finder.look(
        (name) => this.#isMine(name) || this.#isAnybodys(name),
        () => !this.#isStopped,
      );
      [this.#names, this.#next] = [look.names, 0];
      this.#isLookWanted ||= look.more;
    } catch (error) {
      this.#rest(systemErrorText(error));
    } finally {
      this.#isLooking = false;
    }
  }

  async #submit(id: QueueId): Promise<void> {
    let fate: Fate;
    try {
      fate = await submitDrop(id, this.#deps);
    } catch (error) {
      this.#deps.log.emit("master", "bug", {
        what: error instanceof Error ? error.stack ?? error.message : `${error}`,
      });
      fate = { is: "later", why: "it cannot be read as it should be" };
    }
    this.#settle(id, fate);
  }

  #settle(id: QueueId, fate: Fate): void {
    const { custody } = this.#deps.store;
    switch (fate.is) {
      case "done":
        this.#pause = 0;
        return this.#waiting.forget(id);
      case "bad":
        this.#bad.takeAway(custody.path(id), id, fate.uid, fate.why);
        custody.drop(id);
        return this.#waiting.forget(id);
      case "later": {
        const { seconds, isFirst } = this.#waiting.again(id);
        if (isFirst) this.#warnings.say(`${id}: local mail waits: ${fate.why}; again in ${seconds} s`);
        if (this.#waiting.isFull) this.#rest("too much of it cannot be put into the queue");
      }
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancelSlow();
    this.#cancelPause?.();
    this.#waiting.stop();
    this.#closeWatch?.();
    await Promise.all(this.#running);
    this.#warnings.close();
  }
}
