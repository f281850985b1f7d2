import { join } from "node:path";
import type { Identity } from "../../platform/process/spawn.ts";
import type { Child, ChildHandler, ChildOptions } from "../../platform/socket/child.ts";
import type { SocketFolder } from "../../platform/socket/socket_folder.ts";
import { readJson } from "../../base/bounded_json.ts";
import { Misfit, oneOf, record, type Shape, text } from "../../base/shape.ts";
import { ServiceFault } from "../control/service_fault.ts";
import { type HelperBoot, type HelperBug, LONGEST_OF_HELPER, MOST_BUGS } from "./helper.ts";

/** What the helpers need of the master around them. */
export interface HelperHost {
  /** Who workers are: the only ones that may use a helper. */
  readonly owner: () => Identity | undefined;
  readonly queueDirectory: string;
  /** The sockets' folder, root's own, that only the owner's group may enter. */
  openFolder(path: string, gid: number): SocketFolder;
  closeSocket(fd: number): void;
  spawn(options: ChildOptions, handler: ChildHandler): Child;
  /** Milliseconds without work after which a helper ends (max_idle). */
  readonly idle: () => number;
  bug(what: string): void;
}

/** What a helper says may be its user's word: the process is his. */
const helperBug: Shape<HelperBug> = record<HelperBug>({ is: oneOf("bug"), what: text(LONGEST_OF_HELPER) });

/** The folder decides who comes to the sockets, and the helper asks who it is. */
const SOCKET_MODE = 0o666;
/** Tasks that wait for a helper to take them. */
const BACKLOG = 128;
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
  #folder: SocketFolder | undefined;

  constructor(host: HelperHost) {
    this.#host = host;
  }

  /** Path of the socket of a helper with that identity. Throws when there may be none. */
  socketFor(uid: number, gid: number): string {
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
      throw new ServiceFault("busy", `more than ${MOST_HELPERS} users have deliveries at a time`);
    }
    return this.#start(key, { uid, gid }, owner).path;
  }

  #start(key: string, identity: Identity, owner: Identity): Helper {
    const folder = this.#folder ??= this.#host.openFolder(
      join(this.#host.queueDirectory, "helpers"),
      owner.gid,
    );
    const path = join(folder.path, key);
    const fd = folder.listen(key, SOCKET_MODE, BACKLOG);
    let bugs = 0;
    const hear = (line: string) => {
      if (++bugs > MOST_BUGS) return;
      const bug = readJson(line, helperBug);
      this.#host.bug(`delivery helper ${key}: ${bug instanceof Misfit ? bug : bug.what}`);
    };
    const child = this.#host.spawn({
      args: ["--helper"],
      shownAs: "mta: helper",
      identity,
      inherit: [fd],
      // It is its user's process: he may write to what is open in it, a terminal of root's or the log.
      silent: true,
      environment: { PATH: "/usr/bin:/bin" },
      longestMessage: LONGEST_OF_HELPER,
    }, {
      message: hear,
      exit: () => {
        this.#helpers.delete(key);
        this.#host.closeSocket(fd);
        folder.remove(key);
      },
    });
    const boot: HelperBoot = { is: "helper", client: owner.uid, idle: this.#host.idle() };
    child.send(JSON.stringify(boot));
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
function isId(id: number): boolean {
  return Number.isInteger(id) && id > 0 && id < 0xffff_fffe;
}
