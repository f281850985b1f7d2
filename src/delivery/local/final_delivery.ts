import type { DestinationFile } from "../../platform/file/mailbox/destination_file.ts";
import { splitList } from "../../config/syntax/list.ts";
import { onlyAsks, type Recipient } from "../../queue/envelope.ts";
import type { DeliveryJob, Outcome } from "../agent.ts";
import { mailCopy } from "../mailbox/mail_copy.ts";
import { mboxLocking } from "../mailbox/mbox_locking.ts";
import { noMessage } from "../mailbox/own_writer.ts";
import type { Identity, MailTask, TaskResult } from "../mailbox/writer.ts";
import { commandFailure } from "../sysexits.ts";
import { commandEnvironment, commandTask } from "./command.ts";
import type { LocalDeps } from "./local_deps.ts";
import { topLines } from "../mailbox/headers.ts";
import { commandFailed, isForeign, maildirHints, OWNERSHIP_HINT, sent, written } from "../outcomes.ts";
import { type Name, type Place, templateValues } from "./place.ts";
import { fillTemplate } from "./command_template.ts";
import type { LocalUser } from "./users.ts";

/** Largest `.forward` or `:include:` file. */
const FILE_LIMIT = 4 * 1024 * 1024;

/** What a copy is for; prepend_delivered_header names the first two. */
type CopyKind = "command" | "file" | "mailbox";

/** The ends of the ways that local mail takes: commands, files, maildirs, mailboxes. */
export class FinalDelivery {
  readonly #job: DeliveryJob;
  readonly #recipient: Recipient;
  readonly #deps: LocalDeps;

  constructor(job: DeliveryJob, recipient: Recipient, deps: LocalDeps) {
    this.#job = job;
    this.#recipient = recipient;
    this.#deps = deps;
  }

  get #relay(): string {
    return this.#job.transport;
  }

  get #probe(): boolean {
    return onlyAsks(this.#job.envelope);
  }

  /** Runs a command with the message on its standard input. */
  async command(
    place: Place,
    name: Name,
    command: string,
    identity: Identity | undefined,
    user: LocalUser | undefined,
  ): Promise<Outcome> {
    if (this.#probe) return sent(this.#relay, `delivers to command: ${command}`);
    const { settings } = this.#deps;
    const environment = commandEnvironment(
      {
        envelope: this.#job.envelope,
        sender: place.sender,
        recipient: place.address,
        original: this.#recipient.original,
        user: name.user,
        local: name.local,
        extension: name.extension,
        domain: name.domain,
        home: user?.home,
        shell: user?.shell,
      },
      settings,
      this.#deps.environment,
    );
    const task = commandTask(command, environment, this.#executionDirectory(name, place, user), settings);
    const result = await this.#perform(identity, task, this.#copy(place, true, false, "command"));
    return this.#commandOutcome(result, command);
  }

  /** Appends to a file, or delivers into a maildir when the name ends in a slash. */
  async file(place: Place, path: string): Promise<Outcome> {
    if (this.#probe && !path.endsWith("/")) return sent(this.#relay, `delivers to file: ${path}`);
    if (path.endsWith("/")) return await this.#maildir(place, path, place.identity, "file");
    // A mailbox of the spool directory named by an alias is one like any other there.
    const spool = `${this.#deps.settings.mail_spool_directory.replace(/\/+$/, "")}/`;
    const task = this.#mboxTask(
      path,
      true,
      path.startsWith(spool) && !path.slice(spool.length).includes("/"),
    );
    const result = await this.#perform(place.identity, task, this.#copy(place, true, true, "file"));
    const what = `cannot append message to file ${path}: `;
    return written(this.#relay, result, `delivered to file: ${path}`, what);
  }

  /** Delivers to the user's mailbox: below the home directory, or in the spool directory. */
  async mailbox(place: Place, user: LocalUser): Promise<Outcome> {
    const { home_mailbox, mail_spool_directory } = this.#deps.settings;
    const inHome = home_mailbox !== "";
    const spool = mail_spool_directory.replace(/\/+$/, "");
    const path = inHome ? `${user.home}/${home_mailbox}` : `${spool}/${user.name}`;
    const identity = inHome ? user : this.#spoolIdentity(spool, user);
    if (path.endsWith("/") || (!inHome && mail_spool_directory.endsWith("/"))) {
      return await this.#maildir(place, path, identity, "mailbox");
    }
    if (this.#probe) return sent(this.#relay, "delivers to mailbox");
    const task = this.#mboxTask(path, false, !inHome);
    const result = await this.#perform(identity, task, this.#copy(place, true, true, "mailbox"));
    if (isForeign(result)) this.#warn(OWNERSHIP_HINT);
    const what = `cannot update mailbox ${path} for user ${user.name}. `;
    return written(this.#relay, result, "delivered to mailbox", what);
  }

  /** Reads a file of destinations with somebody's rights. */
  read(file: Omit<DestinationFile, "limit">, identity: Identity | undefined): Promise<TaskResult> {
    return this.#perform(identity, { do: "read", ...file, limit: FILE_LIMIT }, noMessage);
  }

  #warn(text: string): void {
    this.#deps.log.note("local", "warning", text);
  }

  #commandOutcome(result: TaskResult, command: string): Outcome {
    switch (result.is) {
      case "exit":
      case "signal":
      case "time limit": {
        const failure = commandFailure(result, command);
        return failure === undefined
          ? sent(this.#relay, `delivered to command: ${command}`)
          : commandFailed(this.#relay, failure);
      }
      default:
        return written(this.#relay, result, "", `cannot run command "${command}": `);
    }
  }

  #executionDirectory(name: Name, place: Place, user: LocalUser | undefined): string {
    const { settings, ownership } = this.#deps;
    if (settings.command_execution_directory !== "") {
      const filled = fillTemplate(
        settings.command_execution_directory,
        templateValues(name, place, user, settings),
        settings.execution_directory_expansion_filter,
      );
      if (filled !== undefined && filled !== "") return filled;
    }
    return ownership(settings.queue_directory) === undefined ? "/" : settings.queue_directory;
  }

  async #maildir(
    place: Place,
    path: string,
    identity: Identity | undefined,
    kind: CopyKind,
  ): Promise<Outcome> {
    if (this.#probe) return sent(this.#relay, "delivers to maildir");
    const { myhostname, mailbox_size_limit } = this.#deps.settings;
    const task: MailTask = {
      do: "maildir",
      path: path.replace(/\/+$/, ""),
      hostname: myhostname,
      sizeLimit: mailbox_size_limit,
    };
    const result = await this.#perform(identity, task, this.#copy(place, false, false, kind));
    if (result.is === "failed" && result.code === "EACCES") {
      const { uid, gid } = identity ?? this.#deps.defaultPrivs;
      for (const line of maildirHints(result.why, uid, gid)) this.#warn(line);
    }
    return written(this.#relay, result, "delivered to maildir", "maildir delivery failed: ");
  }

  /** In a spool directory that its group may write to, files are made with that group. */
  #spoolIdentity(spool: string, user: LocalUser): Identity {
    const owner = this.#deps.ownership(spool);
    return owner !== undefined && owner !== "hidden" && owner.groupWrites && !owner.othersWrite &&
        owner.gid !== 0
      ? { uid: user.uid, gid: owner.gid }
      : user;
  }

  #mboxTask(path: string, anyFile: boolean, spool: boolean): MailTask {
    const { settings } = this.#deps;
    const locks = settings.sun_mailtool_compatibility ? "dotlock" : settings.mailbox_delivery_lock;
    return {
      do: "mbox",
      path,
      ...mboxLocking(settings, locks),
      sizeLimit: settings.mailbox_size_limit,
      strictOwner: settings.strict_mailbox_ownership && !anyFile,
      anyFile,
      spool,
    };
  }

  /** The message as it is written for a place. */
  #copy(
    place: Place,
    fromLine: boolean,
    mbox: boolean,
    kind: CopyKind,
  ): () => AsyncIterable<Uint8Array> {
    const shown = kind === "mailbox" ||
      splitList(this.#deps.settings.prepend_delivered_header).includes(kind);
    const prefix = topLines({
      fromLine,
      sender: place.sender,
      time: this.#deps.now(),
      original: this.#recipient.original,
      delivered: shown ? place.delivered : "",
    });
    return () => mailCopy(this.#job.content, { prefix, mbox });
  }

  #perform(
    identity: Identity | undefined,
    task: MailTask,
    message: () => AsyncIterable<Uint8Array>,
  ): Promise<TaskResult> {
    const { uid, gid } = identity ?? this.#deps.defaultPrivs;
    if (task.do !== "read") this.#job.handingOver?.();
    return this.#deps.writer.deliverTo({ uid, gid }, task, message);
  }
}
