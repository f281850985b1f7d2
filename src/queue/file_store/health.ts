import type { GroupCommit } from "../log/group_commit.ts";
import type { QueueFault } from "../store.ts";
import { Acceptance } from "./acceptance.ts";
import { FreeSpace } from "./free_space.ts";
import { probeDisk } from "./probe.ts";
import type { Shard } from "./shard.ts";
import type { StoreWorld } from "./store_world.ts";

/** A look at the file system is good for so many milliseconds. */
const FRESH = 1000;

/** What the health of a store goes by. */
export interface HealthOptions {
  readonly shard: Shard;
  readonly world: StoreWorld;
  /** Goes on when the clock is set back. */
  readonly now: () => number;
  readonly commits: GroupCommit;
}

/** Whether a store can take mail: what it heard of its writes, what it sees when it looks, and what it tries when there is trouble. */
export class Health {
  readonly #options: HealthOptions;
  readonly #space: FreeSpace;
  readonly #acceptance: Acceptance;
  #lookedAt = -Infinity;
  #cancelCheck: (() => void) | undefined;
  #checking: Promise<unknown> | undefined;
  #isOver = false;

  constructor(options: HealthOptions) {
    const { shard, world: { disk, settings, report } } = options;
    this.#options = options;
    this.#space = new FreeSpace({ disk, path: shard.paths.own, settings });
    this.#acceptance = new Acceptance(report);
  }

  get trouble(): QueueFault | undefined {
    return this.#acceptance.trouble;
  }

  /** Why a message of so many bytes is not taken. After a failed write the next one may try again when the pause is over. */
  refusal(size: number): QueueFault | undefined {
    if (Math.abs(this.#options.now() - this.#lookedAt) > FRESH) this.#look();
    const writing = this.#options.commits.refusing ? this.#acceptance.get("writing") : undefined;
    return this.#acceptance.get("place") ?? writing ?? this.#space.trouble(size);
  }

  #look(): void {
    this.#lookedAt = this.#options.now();
    this.#space.look();
    this.#acceptance.set("place", this.#options.shard.place?.trouble());
    this.#acceptance.set("room", this.#space.trouble(0));
  }

  /** How writing the log goes. */
  wrote(fault: QueueFault | undefined): void {
    this.#acceptance.set("place", this.#options.shard.place?.trouble());
    this.#acceptance.set("writing", fault);
  }

  /** How writing content files goes. */
  spooled(fault: QueueFault | undefined): void {
    if (fault !== undefined) this.#look(); // it may be something greater
    this.#acceptance.set("content", fault);
  }

  /** Also when no mail comes: what keeps it from being taken is known before the first one is refused, and so is the end of it. */
  checkLater(): void {
    if (this.#isOver) return;
    const { after, limits } = this.#options.world;
    this.#cancelCheck = after(limits.checkTime, () => {
      this.#look();
      this.#checking = this.#tryAgain().catch(() => {}).finally(() => this.checkLater());
    });
  }

  /** Finds out whether a trouble with writing is over. Rejects when it is not. */
  async #tryAgain(): Promise<void> {
    await this.#options.commits.probe();
    if (this.#acceptance.get("content") === undefined) return;
    await probeDisk(this.#options.world.disk, this.#options.shard.paths.spoolProbe);
    this.#acceptance.set("content", undefined);
  }

  /** In a fault the log itself is tried first; then a file beside it, which costs mail in progress nothing. */
  async probe(): Promise<void> {
    this.#look();
    await this.#tryAgain();
    if (this.trouble !== undefined) throw this.trouble;
    await probeDisk(this.#options.world.disk, this.#options.shard.paths.probe);
  }

  /** No check begins any more. */
  end(): void {
    this.#isOver = true;
    this.#cancelCheck?.();
  }

  /** Resolves when none is going on. */
  async ended(): Promise<void> {
    await this.#checking;
  }
}
