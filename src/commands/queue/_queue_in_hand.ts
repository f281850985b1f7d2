import type { LightConfiguration } from "../../config/read_settings.ts";
import { askService, type ControlQuestion } from "../../master/control/control_client.ts";
import { controlSocketPath } from "../../master/control/control_protocol.ts";
import type { MoveArgs, Verb } from "../../master/control/control_verbs.ts";
import { workerPrivileges } from "../../master/privileges.ts";
import { becomeUser } from "../../platform/process/effective_ids.ts";
import { ownIds, userByName } from "../../platform/process/users.ts";
import type { QueueId } from "../../queue/envelope.ts";
import { type OfflineQueue, openOffline } from "../../queue/file_store/offline.ts";
import type { QueueEvent } from "../../queue/log/file_store_options.ts";
import { wanted } from "../../queue/filter/wanted.ts";
import { type MoveStep, stepOf } from "../../queue/move_shapes.ts";
import { QueueFault } from "../../queue/store.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { runningPid } from "../service_control.ts";
import { removeDrops } from "./_maildrop.ts";

/** Why postsuper could not: its last words. */
export class PostsuperFault extends Error {
  override readonly name = "PostsuperFault";
}

/** How long a service that starts is waited for, and how often it is asked, in milliseconds. */
const [STARTING, AGAIN] = [5000, 100];
/** Messages of one question to the queue of a service that is down. */
const TOGETHER = 500;

/** The queue as an operator's command has it: the running service's, or the files themselves while it is down. */
export class QueueInHand {
  readonly #configuration: LightConfiguration;
  readonly #report: (event: QueueEvent) => void;
  readonly #goOffline: () => void;
  #offline: OfflineQueue | undefined;

  /** `report` hears what is found in the files of a service that is down, `goOffline` before root's rights go for that. */
  constructor(
    configuration: LightConfiguration,
    { report, goOffline }: { readonly report: (event: QueueEvent) => void; readonly goOffline: () => void },
  ) {
    this.#configuration = configuration;
    this.#report = report;
    this.#goOffline = goOffline;
  }

  /** Whether the files themselves are open. */
  get isOffline(): boolean {
    return this.#offline !== undefined;
  }

  /** Does a move for all, or for the ids that come; each step that is durable is told. Rejects with PostsuperFault. */
  async move(
    args: MoveArgs,
    ids: readonly QueueId[] | undefined,
    step: (step: MoveStep) => void | Promise<void>,
  ): Promise<void> {
    // What the caller throws ends the conversation, and is the caller's.
    let thrown: { readonly error: unknown } | undefined;
    const row = async (each: MoveStep) => {
      try {
        await step(each);
      } catch (error) {
        thrown = { error };
        throw error;
      }
    };
    const answer = await this.#ask({
      verb: "move",
      args: { ...args, ...(ids === undefined && { all: true }) },
      ...(ids !== undefined && { items: ids }),
      row,
    }).catch((fault) => {
      throw thrown === undefined ? fault : thrown.error;
    });
    if (answer !== undefined) return;
    await this.#moveOffline(args, ids, step);
  }

  /** Asks the running service, one that is about to open its socket too; undefined when it is down. */
  async #ask<V extends Verb>(question: Omit<ControlQuestion<V>, "queueDirectory">) {
    if (this.#offline !== undefined) return undefined;
    const { queue_directory: queueDirectory } = this.#configuration.settings;
    for (let waited = 0;; waited += AGAIN) {
      const answer = await askService({ ...question, queueDirectory });
      if (answer.is === "done") return answer;
      if (answer.is === "fault") throw new PostsuperFault(answer.why);
      if (waited >= STARTING || this.#holder() === undefined) return undefined;
      await new Promise<void>((resolve) => setTimeout(resolve, AGAIN));
    }
  }

  /** The service's process, as far as its lock tells; who may not look at it goes by the locks of the shards. */
  #holder(): number | undefined {
    const pid = runningPid(this.#configuration);
    return pid === 0 && ownIds().uid !== 0 ? undefined : pid;
  }

  async #moveOffline(
    { move, queues, filter = {}, dryRun, each = false }: MoveArgs,
    ids: readonly QueueId[] | undefined,
    step: (step: MoveStep) => void | Promise<void>,
  ): Promise<void> {
    const queue = await this.#open();
    const selection = { queues, wanted: wanted(filter, Date.now()), ...(dryRun && { dryRun }) };
    for (const some of ids === undefined ? [undefined] : together(ids)) {
      for await (const moved of faulty(queue.move(move, { ...selection, ...(some && { ids: some }) }))) {
        await step(stepOf(moved, each));
      }
    }
  }

  /** The damage that is known of, in sentences. Where the service is down all is read first. */
  async check(): Promise<readonly string[]> {
    const answer = await this.#ask({ verb: "damage", args: {} });
    if (answer !== undefined) return answer.value.found;
    const queue = await this.#open();
    await queue.verify();
    return await queue.damage();
  }

  /** Removes what users have handed over and nobody has picked up; answers how many messages that were. */
  removeDrops(dryRun: boolean): number {
    try {
      return removeDrops(this.#configuration.settings.queue_directory, this.#owner(), dryRun);
    } catch (error) {
      throw new PostsuperFault(`remove drops: ${systemErrorText(error)}`, { cause: error });
    }
  }

  /** With mail_owner's rights, whose files they are: what is there may not be trusted as root, and what is made is his. */
  async #open(): Promise<OfflineQueue> {
    if (this.#offline !== undefined) return this.#offline;
    const { settings } = this.#configuration;
    const pid = this.#holder();
    if (pid !== undefined) {
      throw new PostsuperFault(
        `the Postfix mail system is running${pid > 0 ? ` (pid ${pid})` : ""} but does not answer on ` +
          `${controlSocketPath(settings.queue_directory)}; the queue is not touched. ` +
          'Stop it ("mta stop"), or find out why it does not answer ("mta status")',
      );
    }
    this.#goOffline();
    const owner = this.#owner();
    if (owner !== undefined) becomeUser(owner.uid, owner.gid);
    try {
      return this.#offline = await openOffline({
        directory: settings.queue_directory,
        settings,
        report: this.#report,
        limits: { longestWait: 1.1 * 1000 * settings.maximal_backoff_time },
      });
    } catch (error) {
      throw faultOf(error);
    }
  }

  /** Who the queue's files belong to, where that is not this process's user. */
  #owner(): { readonly uid: number; readonly gid: number } | undefined {
    const { settings } = this.#configuration;
    const privileges = workerPrivileges(settings, this.#configuration.isSet("mail_owner"), {
      ...ownIds(),
      userByName,
    });
    if (privileges.is === "bad") throw new PostsuperFault(privileges.why);
    return privileges.identity;
  }

  async close(): Promise<void> {
    await this.#offline?.close();
  }
}

function* together(ids: Iterable<QueueId>): Generator<readonly QueueId[]> {
  let some: QueueId[] = [];
  for (const id of ids) {
    if (some.push(id) < TOGETHER) continue;
    yield some;
    some = [];
  }
  if (some.length > 0) yield some;
}

async function* faulty<T>(steps: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* steps;
  } catch (error) {
    throw faultOf(error);
  }
}

function faultOf(error: unknown): unknown {
  return error instanceof QueueFault ? new PostsuperFault(error.message, { cause: error }) : error;
}
