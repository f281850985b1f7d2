import { join } from "node:path";
import type { Child, ChildHandler, ChildOptions, Identity } from "../../platform/process/spawn.ts";
import type { HelperBoot } from "./helper.ts";

/** What the helpers need of the master around them. */
export interface HelperHost {
  /** Who workers are: the only ones that may use a helper. */
  readonly owner: () => Identity | undefined;
  readonly queueDirectory: string;
  /** Makes the sockets' folder, root's own, that only the owner's group may enter. */
  prepareFolder(path: string, gid: number): void;
  openSocket(path: string): number;
  closeSocket(fd: number, path: string): void;
  spawn(options: ChildOptions, handler: ChildHandler): Child;
  /** Milliseconds without work after which a helper ends (max_idle). */
  readonly idle: () => number;
  bug(what: string): void;
}

/** Helpers at a time; users beyond wait until one has gone idle. */
const MOST_HELPERS = 200;

interface Helper {
  readonly path: string;
  readonly fd: number;
  readonly child: Child;
}

/**
 * The delivery helpers: one process for each user that mail is delivered as, started when first needed.
 * None is root, none is mail_owner's.
 */
export class HelperProcesses {
  readonly #host: HelperHost;
  readonly #helpers = new Map<string, Helper>();
  #prepared = false;

  constructor(host: HelperHost) {
    this.#host = host;
  }

  /** Path of the socket of a helper with that identity. Throws when there may be none. */
  socketFor(uid: unknown, gid: unknown): string {
    const owner = this.#host.owner();
    if (owner === undefined) {
      throw new Error("the mail system does not run as root, so it cannot deliver as another user");
    }
    if (uid === 0) throw new Error("mail is not delivered as root: give root an alias (aliases(5))");
    if (!isId(uid) || !isId(gid)) {
      throw new Error(`mail is not delivered with user id ${uid} and group id ${gid}`);
    }
    const key = `${uid}.${gid}`;
    const known = this.#helpers.get(key);
    if (known !== undefined) return known.path;
    if (this.#helpers.size >= MOST_HELPERS) {
      throw new Error(`more than ${MOST_HELPERS} users have deliveries at a time`);
    }
    return this.#start(key, { uid, gid }, owner).path;
  }

  #start(key: string, identity: Identity, owner: Identity): Helper {
    const folder = join(this.#host.queueDirectory, "helpers");
    if (!this.#prepared) this.#host.prepareFolder(folder, owner.gid);
    this.#prepared = true;
    const path = join(folder, key);
    const fd = this.#host.openSocket(path);
    const child = this.#host.spawn({
      args: ["--helper"],
      shownAs: "mta: helper",
      identity,
      inherit: [fd],
      environment: { PATH: "/usr/bin:/bin" },
    }, {
      message: (message) => this.#host.bug(`delivery helper ${key}: ${JSON.stringify(message)}`),
      exit: () => {
        this.#helpers.delete(key);
        this.#host.closeSocket(fd, path);
      },
    });
    const boot: HelperBoot = { is: "helper", client: owner.uid, idle: this.#host.idle() };
    child.send(boot);
    const helper = { path, fd, child };
    this.#helpers.set(key, helper);
    return helper;
  }

  /** Ends all. */
  stop(): void {
    for (const { child } of this.#helpers.values()) child.kill("SIGKILL");
  }
}

/** Neither root nor nonsense. */
function isId(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value < 0xffff_fffe;
}
