import { systemClock } from "../../base/clock.ts";
import { SessionNotices } from "../../bounce/session_notice.ts";
import type { Service } from "../../config/service.ts";
import type { Program } from "../../observe/event.ts";
import type { SessionPostmaster } from "../../smtp/session_notice.ts";
import type { AssemblyContext } from "../assembly.ts";
import { cleanupFor } from "./cleanup_services.ts";
import type { MailWorld } from "./mail_world.ts";

/** Whom the services of a worker tell of their sessions (notify_classes). */
export class Postmasters {
  readonly #context: AssemblyContext;
  readonly #world: MailWorld;
  readonly #all: SessionNotices[] = [];

  constructor(context: AssemblyContext, world: MailWorld) {
    this.#context = context;
    this.#world = world;
  }

  /** The one that a service's settings name. */
  of({ settings }: Pick<Service, "settings">, program: Program): SessionPostmaster {
    const { store, logFor } = this.#context;
    const notices = new SessionNotices({
      program,
      cleanup: cleanupFor(settings, { context: this.#context, world: this.#world }),
      newId: () => store.newId(),
      now: () => systemClock.now(),
      log: logFor(settings),
      settings,
    });
    this.#all.push(notices);
    return notices;
  }

  /** Resolves when what was begun is in the queue. */
  async settled(): Promise<void> {
    await Promise.all(this.#all.map((notices) => notices.settled()));
  }
}
