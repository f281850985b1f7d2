import type { LightConfiguration } from "../../config/read_settings.ts";
import { Misfit } from "../../base/shape.ts";
import { systemClock } from "../../base/clock.ts";
import { workerPrivileges } from "../../master/privileges.ts";
import { linesOf, standardInputBlocks } from "../../platform/process/standard_input.ts";
import { isTerminal, writeErr, writeOut } from "../../platform/process/this_process.ts";
import { ownIds, userByName } from "../../platform/process/users.ts";
import { errorCode } from "../../platform/system_error.ts";
import type { QueueId } from "../../queue/envelope.ts";
import { FILTER_HELP } from "../../queue/filter/filter_options.ts";
import { queueId } from "../../queue/queue_shapes.ts";
import type { QueueEvent } from "../../queue/log/file_store_options.ts";
import { EFFECT_WORDS, type MoveStep } from "../../queue/move_shapes.ts";
import type { MoveQueue } from "../../queue/store.ts";
import type { CommandContext } from "../command.ts";
import { settingsOf } from "../service_control.ts";
import { MoveProgress, MoveReport } from "./_move_report.ts";
import {
  type Action,
  MOVES,
  type PostsuperRequest,
  queuesOf,
  readPostsuperOptions,
} from "./_postsuper_options.ts";
import { PostsuperFault, QueueInHand } from "./_queue_in_hand.ts";
import { openSuperLog, type SuperLog } from "./_super_log.ts";

const HELP = `usage: mta [-c config_dir] postsuper [-psSv] [-d|-e|-f|-h|-H|-r queue_id] ...
           [--dry-run] [--json] [filter] [queue ...]

what the superuser does to messages; queue_id is an id, ALL, or - for ids on
standard input; queue: incoming, active, deferred, hold, maildrop
  -d delete  -h hold  -H release from hold  -r through cleanup again
  -e return to sender at the next attempt  -f the same, released from hold
  -s set aside and tell what is damaged  -p remove what was left over
  -v         tell each message, also of ALL
  --dry-run  tell what would be done, and do nothing
  --json     tell it as JSON, a line each
With ALL a filter says which:
${FILTER_HELP}`;

/** `mta postsuper` (postsuper(1)). */
export async function postsuper(context: CommandContext): Promise<number> {
  const options = readPostsuperOptions(context.args);
  if (options.is === "help") return (writeOut(HELP), 0);
  const request = options.is === "read" ? options.request : undefined;
  const called = { ...context, configDirectory: request?.configDirectory ?? context.configDirectory };
  const configuration = settingsOf(called, ["queue_directory", "mail_owner"], "postsuper");
  if (configuration === undefined) return 1;
  const superintendent = new Superintendent(configuration, request?.verbose === true);
  if (!mayUse(configuration)) {
    return await superintendent.fatal("use of this command is reserved for the superuser");
  }
  if (options.is === "read") return await superintendent.run(options.request);
  if (options.is === "bad" && options.says !== undefined) writeErr(`postsuper: ${options.says}\n`);
  return await superintendent.fatal(options.fatal);
}

/** Root, and whose the queue's files are: mail_owner, or who runs the service without root. */
function mayUse(configuration: LightConfiguration): boolean {
  const own = ownIds();
  if (own.uid === 0) return true;
  const { settings } = configuration;
  if (userByName(settings.mail_owner)?.uid === own.uid) return true;
  const asRoot = workerPrivileges(settings, configuration.isSet("mail_owner"), {
    uid: 0,
    gid: 0,
    userByName,
  });
  return asRoot.is === "known" && asRoot.identity?.uid === own.uid;
}

/** One call of the command: says what it does on standard error and in the mail log. */
class Superintendent {
  readonly #log: SuperLog;
  readonly #queue: QueueInHand;
  readonly #report = new MoveReport();
  readonly #progress = new MoveProgress(systemClock.now, isTerminal(2) ? writeErr : undefined);
  readonly #verbose: boolean;

  constructor(configuration: LightConfiguration, verbose: boolean) {
    this.#verbose = verbose;
    this.#log = openSuperLog(configuration);
    this.#queue = new QueueInHand(configuration, {
      report: (event) => this.#found(event),
      goOffline: () => this.#log.own(),
    });
  }

  async run(request: PostsuperRequest): Promise<number> {
    try {
      const found = queuesOf(request.queues);
      if ("unknown" in found) {
        // -H looks at the hold queue alone, and minds no other name.
        const minds = request.actions.length === 0 ||
          request.actions.some(({ letter, ids }) => letter !== "H" || ids === "all");
        if (minds) return await this.fatal(`invalid directory name: ${found.unknown}`);
      }
      const queues = "unknown" in found ? [] : found.queues;
      if (request.checks.structure || request.checks.purge) await this.#check();
      for (const action of request.actions) await this.#act(action, request, queues);
      this.#end(request);
      return 0;
    } catch (error) {
      if (error instanceof ReaderGone) return 1;
      if (!(error instanceof PostsuperFault)) throw error;
      return await this.fatal(error.message);
    } finally {
      await this.#queue.close();
      await this.#log.flush();
    }
  }

  /** Says a last word; answers the exit status. */
  async fatal(why: string): Promise<number> {
    this.#say("fatal", why);
    await this.#log.flush();
    return 1;
  }

  #say(level: "info" | "warning" | "fatal", text: string): void {
    this.#progress.clear();
    writeErr(`postsuper: ${level === "info" ? "" : `${level}: `}${text}\n`);
    this.#log.note(level, text);
  }

  /** What an opened queue tells of itself that an operator should know. */
  #found(event: QueueEvent): void {
    if (event.is === "corrupt") {
      this.#say(
        "warning",
        `${event.where}: damaged, ${
          event.savedAs === "" ? "cannot be kept" : `set aside as ${event.savedAs}`
        }`,
      );
    } else if (event.is === "lost" && event.most !== 0) {
      this.#say("warning", `${event.shard}: messages are lost: ${event.ids.join(" ") || "no id is known"}`);
    }
  }

  async #check(): Promise<void> {
    for (const text of await this.#queue.check()) this.#say("warning", text);
  }

  async #act(
    { letter, ids }: Action,
    { filter, dryRun, json }: PostsuperRequest,
    queues: readonly MoveQueue[] | undefined,
  ): Promise<void> {
    const { move, effects } = MOVES[letter]!;
    this.#report.expect(effects);
    const isNamed = ids !== "all";
    const isTold = isNamed || this.#verbose || json;
    const each = isTold || filter !== undefined;
    const args = {
      move,
      ...(queues !== undefined && { queues }),
      ...(filter !== undefined && { filter }),
      ...(dryRun && { dryRun }),
      ...(each && { each }),
    };
    for (const some of isNamed ? this.#ids(ids) : [undefined]) {
      await this.#queue.move(args, some, (step) => {
        this.#report.add(step);
        if (isTold) this.#tell(step, { json, dryRun });
        if (each && !dryRun && this.#queue.isOffline) this.#logAll(step);
        this.#progress.moved(this.#report.changes);
      });
      await this.#log.flushMuch();
    }
    if (letter === "d" && !isNamed && filter === undefined && queues?.includes("maildrop") !== false) {
      this.#report.add({ counts: { deleted: this.#queue.removeDrops(dryRun) } });
    }
  }

  /** The ids of a command line, those of standard input where `-` stands, as they come: who types them is not hurried. */
  *#ids(words: readonly string[]): Generator<readonly QueueId[]> {
    let ids: QueueId[] = [];
    for (const word of words) {
      if (word !== "-") {
        ids.push(...this.#idOf(word));
        continue;
      }
      for (const block of standardInputBlocks()) {
        for (const line of linesOf(block)) ids.push(...this.#idOf(line.toString("latin1")));
        if (ids.length > 0) yield ids;
        ids = [];
      }
    }
    if (ids.length > 0) yield ids;
  }

  /** One of Postfix's that is none of ours is no mistake. */
  #idOf(text: string): readonly QueueId[] {
    if (!/^\w{1,255}$/.test(text)) this.#say("warning", `invalid mail queue id: ${text}`);
    const id = queueId(text);
    return id instanceof Misfit ? [] : [id];
  }

  #tell(
    { each = [] }: MoveStep,
    { json, dryRun }: { readonly json: boolean; readonly dryRun: boolean },
  ): void {
    this.#progress.clear();
    const dry = dryRun ? { dry_run: true } : {};
    if (json) {
      print(each.map(([queue_id, action]) => `${JSON.stringify({ queue_id, action, ...dry })}\n`).join(""));
    } else {
      writeErr(each.map(([id, effect]) => `postsuper: ${id}: ${EFFECT_WORDS[effect]}\n`).join(""));
    }
  }

  /** A running service logs each message itself, where it is done. */
  #logAll({ each = [] }: MoveStep): void {
    for (const [id, effect] of each) this.#log.note("info", `${id}: ${EFFECT_WORDS[effect]}`);
  }

  #end({ json, dryRun }: PostsuperRequest): void {
    this.#progress.clear();
    if (json) {
      print(`${JSON.stringify({ ...this.#report.json(), ...(dryRun && { dry_run: true }) })}\n`);
    }
    for (const line of this.#report.lines()) {
      if (dryRun) writeErr(`postsuper: ${line} (dry run: nothing was changed)\n`);
      else if (json) this.#log.note("info", line);
      else this.#say("info", line);
    }
  }
}

/** Nobody reads what is told any more: the move ends after its step, as a signal would end it (SIGPIPE). */
class ReaderGone extends Error {
  override readonly name = "ReaderGone";
}

function print(text: string): void {
  try {
    writeOut(text);
  } catch (error) {
    throw errorCode(error) === "EPIPE" ? new ReaderGone() : error;
  }
}
