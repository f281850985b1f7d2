import { splitAddress } from "../../address/address.ts";
import { splitList } from "../../config/list.ts";
import type { Recipient } from "../../queue/envelope.ts";
import { splitExtension } from "../../table/extension.ts";
import type { Answer } from "../../table/table.ts";
import type { DeliveryJob, Outcome, Part } from "../agent.ts";
import { mailCopy } from "../mailbox/mail_copy.ts";
import type { Identity, MailTask, TaskResult } from "../mailbox/writer.ts";
import { commandFailure } from "../sysexits.ts";
import type { AliasSource } from "./alias_source.ts";
import { commandEnvironment, commandTask } from "./command.ts";
import { ForwardBatch } from "./forward_batch.ts";
import { topLines } from "./headers.ts";
import type { LocalDeps } from "./local_agent.ts";
import { commandFailed, expanded, failed, sent, written } from "./outcomes.ts";
import { parseTargetFile, parseTargets, type Target } from "./targets.ts";
import { fillTemplate, type TemplateValues } from "./template.ts";
import type { LocalUser } from "./users.ts";

/** Deeper than this an alias counts as a loop. */
const DEEPEST = 100;
/** More expansions than this of one recipient are a loop of another kind. */
const MOST_EXPANSIONS = 10_000;
/** Largest `.forward` or `:include:` file. */
const FILE_LIMIT = 4 * 1024 * 1024;

/** What is true of an address at one place of the expansion. */
interface Place {
  readonly address: string;
  readonly level: number;
  /** What named the address; undefined for the recipient itself. */
  readonly source?: "alias" | "forward" | "include";
  /** The alias or user that named it. */
  readonly by?: string;
  /** Whose rights commands and files get; undefined: default_privs. */
  readonly identity?: Identity;
  /** Set when `.forward` of that user is being expanded. */
  readonly user?: LocalUser;
  readonly sender: string;
  /** Members go out as new mail (a list with an owner, an :include: file). */
  readonly indirect: boolean;
  readonly owned: boolean;
  /** For Delivered-To. */
  readonly delivered: string;
  /** `\user`: past aliases and .forward. */
  readonly direct: boolean;
}

/** The halves of a place's address. */
interface Name {
  readonly local: string;
  /** Local part in lower case, and without extension. */
  readonly full: string;
  readonly user: string;
  readonly extension: string | undefined;
  readonly delimiter: string;
  readonly domain: string;
}

const RESERVED = new Set(["postmaster", "mailer-daemon", "double-bounce"]);

/** The delivery of one recipient with all that it expands to (local(8)). */
export class LocalRun {
  readonly #job: DeliveryJob;
  readonly #recipient: Recipient;
  readonly #seen: ReadonlySet<string>;
  readonly #deps: LocalDeps;
  readonly #signal: AbortSignal;
  readonly #parts: Part[] = [];
  /** Mailboxes, files and commands that have had their copy, and .forward files that are being read. */
  readonly #done = new Set<string>();
  readonly #forward = new ForwardBatch();
  #expansions = 0;
  #owner = false;

  constructor(
    job: DeliveryJob,
    recipient: Recipient,
    seen: ReadonlySet<string>,
    deps: LocalDeps,
    signal: AbortSignal,
  ) {
    this.#job = job;
    this.#recipient = recipient;
    this.#seen = seen;
    this.#deps = deps;
    this.#signal = signal;
  }

  async deliver(): Promise<Outcome> {
    const { address } = this.#recipient;
    await this.#recipientAt({
      address,
      level: 0,
      sender: this.#job.envelope.sender,
      indirect: false,
      owned: false,
      delivered: address,
      direct: false,
    });
    const header = this.#allows("prepend_delivered_header", "forward");
    for (const outcome of await this.#forward.submit(this.#job, this.#recipient, this.#deps, header)) {
      this.#parts.push({ address, outcome });
    }
    const [only] = this.#parts;
    if (this.#expansions === 0 && this.#parts.length === 1 && only.by === undefined) return only.outcome;
    return expanded(this.#relay, this.#parts, this.#owner ? "delivered" : "expanded");
  }

  get #relay(): string {
    return this.#job.transport;
  }

  get #probe(): boolean {
    return this.#job.envelope.kind === "probe";
  }

  #say(place: Place, outcome: Outcome): void {
    this.#parts.push({ address: place.address, outcome });
  }

  #fail(place: Place, status: string, text: string): void {
    this.#say(place, failed(this.#relay, status, text));
  }

  #warn(text: string): void {
    this.#deps.log.note("local", "warning", text);
  }

  #allows(
    parameter: "allow_mail_to_commands" | "allow_mail_to_files" | "prepend_delivered_header",
    what: string,
  ): boolean {
    return splitList(this.#deps.settings[parameter]).includes(what);
  }

  #name(address: string): Name {
    const { local, domain } = splitAddress(address);
    const { recipient_delimiter, owner_request_special } = this.#deps.settings;
    const { base, extension, delimiter } = splitExtension(local, recipient_delimiter, owner_request_special);
    return { local, full: local.toLowerCase(), user: base.toLowerCase(), extension, delimiter, domain };
  }

  /** Aliases first, then users, then what is said of everybody else. */
  async #recipientAt(place: Place): Promise<void> {
    this.#signal.throwIfAborted();
    if (this.#seen.has(place.address.toLowerCase())) {
      return this.#fail(place, "5.4.6", `mail forwarding loop for ${place.address}`);
    }
    const name = this.#name(place.address);
    if (!place.direct) {
      if (await this.#asAlias(place, name, name.full)) return;
      if (name.extension !== undefined && await this.#asAlias(place, name, name.user)) return;
    }
    const found = await this.#deps.users(name.user);
    if (found.is === "trouble") {
      this.#warn(`cannot look up user ${name.user}: ${found.why}`);
      return this.#fail(place, "4.3.0", "user lookup error");
    }
    if (found.is === "found") await this.#asUser(place, name, found.user);
    else await this.#asUnknown(place, name);
  }

  async #asAlias(place: Place, name: Name, key: string): Promise<boolean> {
    // An alias that names itself means the mailbox of that name.
    if (place.source === "alias" && place.by === key) return false;
    for (const source of this.#deps.aliases) {
      const answer = await source.table.lookup(key);
      if (answer.is === "absent") continue;
      if (answer.is === "trouble") {
        this.#warn(`${source.table.spec}: lookup of ${key}: ${answer.why}`);
        this.#fail(place, "4.3.0", "alias database unavailable");
      } else await this.#expandAlias(place, name, key, source, answer.value);
      return true;
    }
    return false;
  }

  async #expandAlias(
    place: Place,
    name: Name,
    key: string,
    source: AliasSource,
    value: string,
  ): Promise<void> {
    if (place.level > DEEPEST || ++this.#expansions > MOST_EXPANSIONS) {
      this.#warn(`alias database loop for ${key}`);
      return this.#fail(place, "5.4.6", `alias database loop for ${key}`);
    }
    if (this.#probe) return this.#say(place, sent(this.#relay, `aliased to ${value}`));
    const owner = await this.#ownerOf(key, source);
    if (owner !== undefined) this.#owner = true;
    const inherits = owner === undefined && !this.#deps.settings.reset_owner_alias;
    const targets = parseTargets(value);
    if (targets.length === 0) {
      this.#warn(`no recipient in alias lookup result ${value}`);
      return this.#fail(place, "4.2.4", "no recipient in alias lookup result");
    }
    const base: Place = {
      ...place,
      level: place.level + 1,
      source: "alias",
      by: key,
      identity: source.owner(),
      user: undefined,
      sender: owner ?? (inherits ? place.sender : this.#job.envelope.sender),
      indirect: owner !== undefined || (inherits && place.indirect),
      owned: owner !== undefined || (inherits && place.owned),
      delivered: this.#deps.settings.frozen_delivered_to ? place.delivered : place.address,
    };
    const extension = key === name.user && key !== name.full && this.#propagates("alias") ? name : undefined;
    for (const target of targets) await this.#target(base, target, extension);
  }

  /** The address that answers for a list: `owner-name`, when there is such an alias (local(8)). */
  async #ownerOf(key: string, source: AliasSource): Promise<string | undefined> {
    const { owner_request_special, expand_owner_alias } = this.#deps.settings;
    if (owner_request_special && key.startsWith("owner-")) return undefined;
    const answer = await source.table.lookup(`owner-${key}`);
    if (answer.is !== "found") return undefined;
    const [first, ...others] = parseTargets(answer.value);
    const single = expand_owner_alias && others.length === 0 && first?.is === "address"
      ? first.address
      : undefined;
    return this.#deps.standardForm(single ?? `owner-${key}`);
  }

  #propagates(what: string): boolean {
    return splitList(this.#deps.settings.propagate_unmatched_extensions).includes(what);
  }

  async #target(base: Place, target: Target, extension: Name | undefined): Promise<void> {
    switch (target.is) {
      case "address":
        return await this.#address(base, target.address, target.direct, extension);
      case "command":
        return await this.#command(base, target.command);
      case "file":
        return await this.#file(base, target.path);
      case "include":
        return await this.#include(base, target.path, extension);
    }
  }

  async #address(base: Place, written: string, direct: boolean, extension: Name | undefined): Promise<void> {
    let address = this.#deps.standardForm(written);
    if (extension?.extension !== undefined) {
      const { local, domain } = splitAddress(address);
      if (splitExtension(local, this.#deps.settings.recipient_delimiter).extension === undefined) {
        address = `${local}${extension.delimiter}${extension.extension}${domain === "" ? "" : `@${domain}`}`;
      }
    }
    if (base.indirect) return this.#forward.add(address, base.sender, base.delivered, base.owned);
    const route = await this.#deps.route(base.sender, address);
    if (route.is === "trouble") {
      return this.#fail({ ...base, address }, "4.3.0", "address resolver failure");
    }
    if (route.transport !== this.#job.transport) {
      return this.#forward.add(address, base.sender, base.delivered, base.owned);
    }
    await this.#recipientAt({ ...base, address: route.recipient, direct });
  }

  async #command(base: Place, command: string): Promise<void> {
    if (base.source !== undefined && !this.#allows("allow_mail_to_commands", base.source)) {
      return this.#fail(base, "5.7.1", "mail to command is restricted");
    }
    if (!this.#first(`command ${base.identity?.uid ?? ""} ${command}`)) return;
    await this.#runCommand(base, this.#name(base.address), command, base.identity, base.user);
  }

  async #runCommand(
    place: Place,
    name: Name,
    command: string,
    identity: Identity | undefined,
    user: LocalUser | undefined,
  ): Promise<void> {
    if (this.#probe) return this.#say(place, sent(this.#relay, `delivers to command: ${command}`));
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
    const directory = this.#executionDirectory(name, place, user);
    const task = commandTask(command, environment, directory, settings);
    const result = await this.#perform(identity, task, this.#copy(place, true, false, "command"));
    this.#say(place, this.#commandOutcome(result, command));
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
    const { command_execution_directory, execution_directory_expansion_filter, queue_directory } =
      this.#deps.settings;
    if (command_execution_directory !== "") {
      const filled = fillTemplate(
        command_execution_directory,
        this.#values(name, place, user),
        execution_directory_expansion_filter,
      );
      if (filled !== undefined && filled !== "") return filled;
    }
    return this.#deps.ownership(queue_directory) === undefined ? "/" : queue_directory;
  }

  #values(name: Name, place: Place, user: LocalUser | undefined): TemplateValues {
    return {
      user: name.user,
      local: name.local,
      domain: name.domain,
      recipient: place.address,
      extension: name.extension,
      recipient_delimiter: name.delimiter === ""
        ? this.#deps.settings.recipient_delimiter.slice(0, 1)
        : name.delimiter,
      home: user?.home,
      shell: user?.shell,
    };
  }

  async #file(base: Place, path: string): Promise<void> {
    if (base.source !== undefined && !this.#allows("allow_mail_to_files", base.source)) {
      return this.#fail(base, "5.7.1", "mail to file is restricted");
    }
    if (!this.#first(`file ${base.identity?.uid ?? ""} ${path}`)) return;
    if (this.#probe) return this.#say(base, sent(this.#relay, `delivers to file: ${path}`));
    if (path.endsWith("/")) return await this.#maildir(base, path, base.identity, "file");
    const task = this.#mboxTask(path, true, false);
    const result = await this.#perform(base.identity, task, this.#copy(base, true, true, "file"));
    this.#say(
      base,
      written(this.#relay, result, `delivered to file: ${path}`, `cannot append message to file ${path}: `),
    );
  }

  async #include(base: Place, path: string, extension: Name | undefined): Promise<void> {
    this.#expansions++;
    if (!path.startsWith("/")) {
      this.#warn(`:include:${path} uses a relative path`);
      return this.#fail(base, "5.3.5", "mail system configuration error");
    }
    const owner = this.#deps.ownership(path);
    if (owner === undefined) {
      this.#warn(`unable to lookup :include: file ${path}: No such file or directory`);
      return this.#fail(base, "5.3.5", "mail system configuration error");
    }
    const identity = owner.uid === 0 ? undefined : { uid: owner.uid, gid: owner.gid };
    const result = await this.#perform(identity ?? base.identity, { do: "read", path, limit: FILE_LIMIT });
    if (result.is !== "read" || result.text === undefined) {
      const why = "why" in result ? result.why : "it is gone";
      this.#warn(`unable to open :include: file ${path}: ${why}`);
      return this.#fail(base, "5.3.5", "mail system configuration error");
    }
    if (++this.#expansions > MOST_EXPANSIONS) {
      return this.#fail(base, "5.4.6", `alias database loop for ${base.by}`);
    }
    const inside: Place = {
      ...base,
      level: base.level + 1,
      source: "include",
      identity: identity ?? base.identity,
      indirect: true,
    };
    if (inside.level > DEEPEST) return this.#fail(base, "5.4.6", `:include: loop for ${path}`);
    const passed = this.#propagates("include") ? extension : undefined;
    for (const target of parseTargetFile(result.text)) await this.#target(inside, target, passed);
  }

  async #asUser(place: Place, name: Name, user: LocalUser): Promise<void> {
    if (this.#deps.settings.require_home_directory && this.#deps.ownership(user.home) === undefined) {
      return this.#fail(place, "4.3.0", `cannot access home directory of ${user.name}`);
    }
    if (!place.direct && await this.#asForward(place, name, user)) return;
    await this.#mailbox(place, name, user);
  }

  /** The user's .forward file, when there is one and it is not being read already. */
  async #asForward(place: Place, name: Name, user: LocalUser): Promise<boolean> {
    const { forward_path, forward_expansion_filter } = this.#deps.settings;
    const tried = new Set<string>();
    for (const item of splitList(forward_path)) {
      if (name.extension === undefined && /\$[{(]?extension/.test(item)) continue;
      const path = fillTemplate(item, this.#values(name, place, user), forward_expansion_filter);
      if (path === undefined || !path.startsWith("/") || tried.has(path)) continue;
      tried.add(path);
      const text = await this.#forwardText(path, user);
      if (text === undefined) continue;
      if (text === "trouble") {
        this.#fail(place, "4.3.0", `cannot read ${path}`);
        return true;
      }
      if (!this.#first(`forward ${path}`)) return false;
      const targets = parseTargetFile(text);
      if (targets.length === 0) return false;
      await this.#expandForward(place, name, user, targets);
      return true;
    }
    return false;
  }

  async #forwardText(path: string, user: LocalUser): Promise<string | undefined> {
    const owner = this.#deps.ownership(path);
    if (owner === undefined) return undefined;
    if (owner.uid !== 0 && owner.uid !== user.uid) {
      this.#warn(`file ${path} has bad owner uid ${owner.uid}`);
      return undefined;
    }
    const result = await this.#perform(user, { do: "read", path, limit: FILE_LIMIT });
    if (result.is === "read") return result.text;
    this.#warn(`cannot read ${path}: ${"why" in result ? result.why : result.is}`);
    return "trouble";
  }

  async #expandForward(
    place: Place,
    name: Name,
    user: LocalUser,
    targets: readonly Target[],
  ): Promise<void> {
    if (place.level > DEEPEST || ++this.#expansions > MOST_EXPANSIONS) {
      return this.#fail(place, "5.4.6", `.forward loop for ${user.name}`);
    }
    const base: Place = {
      ...place,
      level: place.level + 1,
      source: "forward",
      by: user.name,
      identity: user,
      user,
      delivered: this.#deps.settings.frozen_delivered_to ? place.delivered : place.address,
    };
    const extension = name.extension !== undefined && this.#propagates("forward") ? name : undefined;
    for (const target of targets) await this.#target(base, target, extension);
  }

  async #mailbox(place: Place, name: Name, user: LocalUser): Promise<void> {
    if (!this.#first(`mailbox ${user.name}`)) return;
    const { settings } = this.#deps;
    const transport = await this.#mapped(place, this.#deps.mailboxTransportMaps, user.name);
    if (transport === undefined) return;
    const handOver = transport === "" ? settings.mailbox_transport : transport;
    if (handOver !== "") return await this.#pass(place, handOver);
    if (this.#probe) return this.#say(place, sent(this.#relay, "delivers to mailbox"));
    const command = await this.#mapped(place, this.#deps.mailboxCommandMaps, user.name);
    if (command === undefined) return;
    const run = command === "" ? settings.mailbox_command : command;
    if (run !== "") return await this.#runCommand(place, name, run, user, user);
    await this.#mailboxFile(place, user);
  }

  /** A per-user value: "" when there is none, undefined when the table is in trouble and the recipient has its outcome. */
  async #mapped(
    place: Place,
    maps: LocalDeps["mailboxCommandMaps"],
    user: string,
  ): Promise<string | undefined> {
    const answer: Answer = await maps?.find(user) ?? { is: "absent" };
    if (answer.is === "found") return answer.value;
    if (answer.is === "absent") return "";
    this.#warn(`${maps?.tables[0].spec}: lookup of ${user}: ${answer.why}`);
    this.#fail(place, "4.3.0", "table lookup failure");
    return undefined;
  }

  async #mailboxFile(place: Place, user: LocalUser): Promise<void> {
    const { home_mailbox, mail_spool_directory } = this.#deps.settings;
    const inHome = home_mailbox !== "";
    const spool = mail_spool_directory.replace(/\/+$/, "");
    const path = inHome ? `${user.home}/${home_mailbox}` : `${spool}/${user.name}`;
    const identity = inHome ? user : this.#spoolIdentity(spool, user);
    if (path.endsWith("/") || (!inHome && mail_spool_directory.endsWith("/"))) {
      return await this.#maildir(place, path, identity, "mailbox");
    }
    const task = this.#mboxTask(path, false, !inHome);
    const result = await this.#perform(identity, task, this.#copy(place, true, true, "mailbox"));
    const what = `cannot update mailbox ${path} for user ${user.name}. `;
    if (result.is === "failed" && result.why.includes("not owned by recipient")) {
      this.#warn('specify "strict_mailbox_ownership = no" to ignore mailbox ownership mismatch');
    }
    this.#say(place, written(this.#relay, result, "delivered to mailbox", what));
  }

  /** In a spool directory that its group may write to, files are made with that group. */
  #spoolIdentity(spool: string, user: LocalUser): Identity {
    const owner = this.#deps.ownership(spool);
    return owner?.groupWrites === true ? { uid: user.uid, gid: owner.gid } : user;
  }

  #mboxTask(path: string, anyFile: boolean, spool: boolean): MailTask {
    const { settings } = this.#deps;
    const locks = settings.sun_mailtool_compatibility
      ? ["dotlock"]
      : splitList(settings.mailbox_delivery_lock);
    return {
      do: "mbox",
      path,
      locks: (["fcntl", "flock", "dotlock"] as const).filter((lock) => locks.includes(lock)),
      lockAttempts: settings.deliver_lock_attempts,
      lockDelay: settings.deliver_lock_delay * 1000,
      staleLock: settings.stale_lock_time * 1000,
      sizeLimit: settings.mailbox_size_limit,
      strictOwner: settings.strict_mailbox_ownership && !anyFile,
      anyFile,
      spool,
    };
  }

  async #maildir(
    place: Place,
    path: string,
    identity: Identity | undefined,
    kind: "file" | "mailbox",
  ): Promise<void> {
    const { myhostname, mailbox_size_limit } = this.#deps.settings;
    const folder = path.replace(/\/+$/, "");
    const task: MailTask = {
      do: "maildir",
      path: folder,
      hostname: myhostname,
      sizeLimit: mailbox_size_limit,
    };
    const result = await this.#perform(identity, task, this.#copy(place, false, false, kind));
    if (result.is === "failed") {
      const ids = identity ?? this.#deps.defaultPrivs;
      this.#warn(`maildir access problem for UID/GID=${ids.uid}/${ids.gid}: ${result.why}`);
      this.#warn("perhaps you need to create the maildirs in advance");
    }
    this.#say(place, written(this.#relay, result, "delivered to maildir", "maildir delivery failed: "));
  }

  async #asUnknown(place: Place, name: Name): Promise<void> {
    const { settings } = this.#deps;
    const mapped = await this.#mapped(place, this.#deps.fallbackTransportMaps, name.user);
    if (mapped === undefined) return;
    const transport = mapped === "" ? settings.fallback_transport : mapped;
    if (transport !== "") return await this.#pass(place, transport);
    if (settings.luser_relay !== "" && place.level === 0) return await this.#luserRelay(place, name);
    if (RESERVED.has(name.user)) {
      this.#warn(`required alias not found: ${name.user}`);
      return this.#say(place, sent(this.#relay, "discarded"));
    }
    this.#fail(place, "5.1.1", `unknown user: "${name.user}"`);
  }

  async #luserRelay(place: Place, name: Name): Promise<void> {
    const filled = fillTemplate(this.#deps.settings.luser_relay, this.#values(name, place, undefined));
    if (filled === undefined || filled.trim() === "") {
      this.#warn(`bad luser_relay value "${this.#deps.settings.luser_relay}"`);
      return this.#fail(place, "4.3.5", "mail system configuration error");
    }
    this.#expansions++;
    await this.#address({ ...place, level: place.level + 1 }, filled.trim(), false, undefined);
  }

  /** Hands the recipient to another agent: `transport:nexthop` (mailbox_transport, fallback_transport). */
  async #pass(place: Place, spec: string): Promise<void> {
    const colon = spec.indexOf(":");
    const transport = colon < 0 ? spec : spec.slice(0, colon);
    const nexthop = (colon < 0 ? "" : spec.slice(colon + 1)) || this.#job.nexthop;
    const agent = this.#deps.agents(transport);
    if (agent === undefined || transport === this.#job.transport) {
      this.#warn(
        agent === undefined
          ? `connect to transport private/${transport}: No such file or directory`
          : `transport ${transport} hands its mail to itself`,
      );
      return this.#fail(place, "4.3.0", "mail transport unavailable");
    }
    const recipient: Recipient = { ...this.#recipient, address: place.address };
    const report = await agent.deliver({
      ...this.#job,
      recipients: [{ index: this.#job.recipients[0].index, recipient }],
      transport,
      nexthop,
    }, this.#signal);
    this.#parts.push({ address: place.address, outcome: report.outcomes[0], by: agent.program });
  }

  /** The message as it is written for a place. */
  #copy(
    place: Place,
    fromLine: boolean,
    mbox: boolean,
    kind: "command" | "file" | "mailbox",
  ): () => AsyncIterable<Uint8Array> {
    const delivered = kind === "mailbox" || this.#allows("prepend_delivered_header", kind)
      ? place.delivered
      : "";
    const prefix = topLines({
      fromLine,
      sender: place.sender,
      time: this.#deps.now(),
      original: this.#recipient.original,
      delivered,
    });
    return () => mailCopy(this.#job.content, { prefix, mbox });
  }

  #perform(
    identity: Identity | undefined,
    task: MailTask,
    message: () => AsyncIterable<Uint8Array> = () => mailCopy(EMPTY, { prefix: "", mbox: false }),
  ): Promise<TaskResult> {
    const { uid, gid } = identity ?? this.#deps.defaultPrivs;
    return this.#deps.writer.deliverTo({ uid, gid }, task, message);
  }

  /** Whether this is the first time that something is to be done: nobody gets a message twice. */
  #first(key: string): boolean {
    if (this.#done.has(key)) return false;
    this.#done.add(key);
    return true;
  }
}

const EMPTY = { size: 0, bytes: new Uint8Array(0), async *chunks() {} };
