import type { LightConfiguration } from "../../config/read_settings.ts";
import { askService } from "../../master/control/control_client.ts";
import { controlSocketPath } from "../../master/control/control_protocol.ts";
import type { MoveArgs } from "../../master/control/control_verbs.ts";
import { workerPrivileges } from "../../master/privileges.ts";
import { becomeUser } from "../../platform/process/effective_ids.ts";
import { ownIds, userByName } from "../../platform/process/users.ts";
import type { QueueId } from "../../queue/envelope.ts";
import { type OfflineQueue, openOffline } from "../../queue/file_store/offline.ts";
import type { QueueEvent } from "../../queue/log/file_store_options.ts";
import { wanted } from "../../queue/filter/wanted.ts";
import { type MoveStep, stepOf } from "../../queue/move_shapes.ts";
import { QueueFault } from "../../queue/store.ts";
import { runningPid } from "../service_control.ts";

/** Why postsuper could not: its last words. */
export class PostsuperFault extends Error {
  override readonly name = "PostsuperFault";
}

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
    ids: Iterable<QueueId> | undefined,
    step: (step: MoveStep) => void | Promise<void>,
  ): Promise<void> {
    if (this.#offline === undefined) {
      const answer = await askService({
        queueDirectory: this.#configuration.settings.queue_directory,
        verb: "move",
        args: { ...args, ...(ids === undefined && { all: true }) },
        ...(ids !== undefined && { items: ids }),
        row: step,
      });
      if (answer.is === "done") return;
      if (answer.is === "fault") throw new PostsuperFault(answer.why);
    }
    await this.#moveOffline(args, ids, step);
  }

  async #moveOffline(
    { move, queues, filter = {}, dryRun, each = false }: MoveArgs,
    ids: Iterable<QueueId> | undefined,
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
    if (this.#offline === undefined) {
      const { queue_directory: queueDirectory } = this.#configuration.settings;
      const answer = await askService({ queueDirectory, verb: "damage", args: {} });
      if (answer.is === "done") return answer.value.found;
      if (answer.is === "fault") throw new PostsuperFault(answer.why);
    }
    const queue = await this.#open();
    await queue.verify();
    return await queue.damage();
  }

  /** With mail_owner's rights, whose files they are: what is there may not be trusted as root, and what is made is his. */
  async #open(): Promise<OfflineQueue> {
    if (this.#offline !== undefined) return this.#offline;
    const { settings } = this.#configuration;
    const pid = runningPid(this.#configuration);
    if (pid !== undefined) {
      throw new PostsuperFault(
        `the Postfix mail system is running${pid > 0 ? ` (pid ${pid})` : ""} but does not answer on ` +
          `${controlSocketPath(settings.queue_directory)}; the queue is not touched. ` +
          'Stop it ("mta stop"), or find out why it does not answer ("mta status")',
      );
    }
    this.#goOffline();
    this.#becomeOwner();
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

  #becomeOwner(): void {
    const { settings } = this.#configuration;
    const privileges = workerPrivileges(settings, this.#configuration.isSet("mail_owner"), {
      ...ownIds(),
      userByName,
    });
    if (privileges.is === "bad") throw new PostsuperFault(privileges.why);
    if (privileges.identity !== undefined) becomeUser(privileges.identity.uid, privileges.identity.gid);
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
