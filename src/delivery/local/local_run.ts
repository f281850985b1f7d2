import { type Address, internalAddress, splitAddress } from "../../address/address.ts";
import { splitList } from "../../config/syntax/list.ts";
import { onlyAsks, type Recipient } from "../../queue/envelope.ts";
import { splitExtension } from "../../table/search/extension.ts";
import type { Maps } from "../../table/search/maps.ts";
import type { Answer } from "../../table/table.ts";
import type { DeliveryJob, Outcome, Part } from "../agent.ts";
import { findForward, readList } from "./destination_files.ts";
import { FinalDelivery } from "./final_delivery.ts";
import { ForwardBatch } from "./forward_batch.ts";
import type { AliasSource, LocalDeps } from "./local_deps.ts";
import type { Identity } from "../mailbox/writer.ts";
import { expanded, failed, sent } from "../outcomes.ts";
import { type Name, nameOf, type Place, templateValues } from "./place.ts";
import { parseTargetFile, parseTargets, type Target } from "./targets.ts";
import { fillTemplate } from "./command_template.ts";
import type { LocalUser } from "./users.ts";

/** Deeper than this an alias counts as a loop. */
const DEEPEST = 100;
/** More expansions than this of one recipient are a loop of another kind. */
const MOST_EXPANSIONS = 10_000;

const RESERVED = new Set(["postmaster", "mailer-daemon", "double-bounce"]);

/** Who answers for a list. */
type Owner = { readonly is: "found"; readonly address: Address } | { readonly is: "none" } | {
  readonly is: "trouble";
  readonly spec: string;
  readonly why: string;
};

const NO_OWNER: Owner = { is: "none" };

/** The delivery of one recipient with all that it expands to (local(8)). */
export class LocalRun {
  readonly #job: DeliveryJob;
  readonly #recipient: Recipient;
  readonly #seen: ReadonlySet<string>;
  readonly #deps: LocalDeps;
  readonly #signal: AbortSignal;
  readonly #final: FinalDelivery;
  readonly #parts: Part[] = [];
  /** Mailboxes, files and commands that have had their copy, and .forward files that have been read. */
  readonly #done = new Set<string>();
  readonly #forward = new ForwardBatch();
  #expansions = 0;
  #owner = false;

  /** `seen`: addresses that the message has been delivered to before, lower case. */
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
    this.#final = new FinalDelivery(job, recipient, deps);
  }

  /** Delivers, and answers what became of the recipient. */
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
    await this.#sendOn(address);
    const [only, ...others] = this.#parts;
    const isPlain = this.#expansions === 0 && others.length === 0;
    if (isPlain && only !== undefined && only.by === undefined && only.owner === undefined) {
      return only.outcome;
    }
    return expanded(this.#relay, this.#parts, this.#owner ? "delivered" : "expanded");
  }

  /** What goes elsewhere goes last, and not while anything here is to be tried again: it would go again each time. */
  async #sendOn(address: Address): Promise<void> {
    if (this.#parts.some(({ outcome }) => outcome.is === "deferred")) return;
    const header = splitList(this.#deps.settings.prepend_delivered_header).includes("forward");
    for (const outcome of await this.#forward.submit(this.#job, this.#recipient, this.#deps, header)) {
      this.#parts.push({ address, outcome });
    }
  }

  get #relay(): string {
    return this.#job.transport;
  }

  /** It is about this one address: what it expands to is not asked (verify(8)). */
  get #probe(): boolean {
    return this.#job.envelope.kind === "probe";
  }

  #say({ address, owned, sender: owner }: Place, outcome: Outcome): void {
    this.#parts.push({ address, outcome, ...(owned && { owner, member: true }) });
  }

  #fail(place: Place, status: string, text: string): void {
    this.#say(place, failed(this.#relay, status, text));
  }

  #misconfigured(place: Place, warning: string): void {
    this.#warn(warning);
    this.#fail(place, "5.3.5", "mail system configuration error");
  }

  #warn(text: string): void {
    this.#deps.log.note("local", "warning", text);
  }

  /** Whether this is the first time that something is to be done: nobody gets a message twice. */
  #first(key: string): boolean {
    if (this.#done.has(key)) return false;
    this.#done.add(key);
    return true;
  }

  /** Goes one level deeper; false when that is one too many. */
  #descend(place: Place): boolean {
    return place.level <= DEEPEST && ++this.#expansions <= MOST_EXPANSIONS;
  }

  /** Aliases first, then users, then what is said of everybody else. */
  async #recipientAt(place: Place): Promise<void> {
    this.#throwIfUntouched();
    const name = nameOf(place.address, this.#deps.settings);
    if (this.#seen.has(place.address.toLowerCase())) return await this.#loop(place, name);
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

  /** The owner of a list that comes back to itself is told, not who wrote to it. */
  async #loop(place: Place, { full, user }: Name): Promise<void> {
    const found = await this.#ownerOf(full);
    const owner = found.is === "none" ? await this.#ownerOf(user) : found;
    if (owner.is === "trouble") return this.#aliasTrouble(place, owner.spec, `owner-${user}`, owner.why);
    const outcome = failed(this.#relay, "5.4.6", `mail forwarding loop for ${place.address}`);
    const known = owner.is === "found" ? { owner: owner.address } : {};
    this.#parts.push({ address: place.address, outcome, ...known });
  }

  async #asAlias(place: Place, name: Name, key: string): Promise<boolean> {
    // An alias that names itself means the mailbox of that name.
    if (place.source === "alias" && place.by === key) return false;
    for (const source of this.#deps.aliases) {
      const answer = await source.table.lookup(key);
      if (answer.is === "absent") continue;
      if (answer.is === "trouble") {
        this.#aliasTrouble(place, source.table.spec, key, answer.why);
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
    if (!this.#descend(place)) {
      this.#warn(`alias database loop for ${key}`);
      return this.#fail(place, "5.4.6", `alias database loop for ${key}`);
    }
    if (this.#probe) return this.#say(place, sent(this.#relay, `aliased to ${value}`));
    const targets = parseTargets(value);
    if (targets.length === 0) {
      this.#warn(`no recipient in alias lookup result ${value}`);
      return this.#fail(place, "4.2.4", "no recipient in alias lookup result");
    }
    const owner = await this.#ownerOf(key);
    if (owner.is === "trouble") return this.#aliasTrouble(place, owner.spec, `owner-${key}`, owner.why);
    const rights = this.#rightsOf(source);
    if (rights === "nobody's") return this.#fail(place, "4.3.0", "cannot find alias database owner");
    const base = this.#aliasPlace(place, key, rights, owner.is === "found" ? owner.address : undefined);
    const extension = key !== name.full && this.#propagates("alias") ? name : undefined;
    for (const target of targets) await this.#target(base, target, extension);
  }

  /** Whose rights commands and files of a table get: those of its owner's account, or default_privs when it is root's. */
  #rightsOf(source: AliasSource): Identity | undefined | "nobody's" {
    const uid = source.owner();
    if (uid === 0) return undefined;
    const account = uid === undefined ? undefined : this.#deps.account(uid);
    if (account !== undefined) return account;
    this.#warn(`cannot find alias database owner for ${source.table.spec}`);
    return "nobody's";
  }

  #aliasPlace(place: Place, key: string, identity: Identity | undefined, owner: Address | undefined): Place {
    if (owner !== undefined) this.#owner = true;
    const { reset_owner_alias, frozen_delivered_to } = this.#deps.settings;
    const inherits = owner === undefined && !reset_owner_alias;
    return {
      ...place,
      level: place.level + 1,
      source: "alias",
      by: key,
      identity,
      user: undefined,
      sender: owner ?? (inherits ? place.sender : this.#job.envelope.sender),
      indirect: owner !== undefined || (inherits && place.indirect),
      owned: owner !== undefined || (inherits && place.owned),
      delivered: frozen_delivered_to ? place.delivered : place.address,
    };
  }

  /** The address that answers for a list: `owner-name`, when there is such an alias in any of alias_maps (local(8)). */
  async #ownerOf(key: string): Promise<Owner> {
    const { owner_request_special } = this.#deps.settings;
    if (!owner_request_special || key.startsWith("owner-")) return NO_OWNER;
    for (const { table } of this.#deps.aliases) {
      const answer = await table.lookup(`owner-${key}`);
      if (answer.is === "trouble") return { is: "trouble", spec: table.spec, why: answer.why };
      if (answer.is === "found") return { is: "found", address: this.#ownerAddress(key, answer.value) };
    }
    return NO_OWNER;
  }

  #ownerAddress(key: string, value: string): Address {
    const [first, ...others] = parseTargets(value);
    const isSingle = this.#deps.settings.expand_owner_alias && others.length === 0;
    return this.#deps.standardForm(isSingle && first?.is === "address" ? first.address : `owner-${key}`);
  }

  #aliasTrouble(place: Place, spec: string, key: string, why: string): void {
    this.#warn(`${spec}: lookup of ${key}: ${why}`);
    this.#fail(place, "4.3.0", "alias database unavailable");
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
    const address = this.#extended(this.#deps.standardForm(written), extension);
    if (base.indirect) return this.#forwardTo(base, address);
    const route = await this.#deps.route(base.sender, address);
    if (route.is === "trouble") {
      return this.#fail({ ...base, address }, "4.3.0", "address resolver failure");
    }
    if (route.transport !== this.#job.transport) return this.#forwardTo(base, address);
    await this.#recipientAt({ ...base, address: route.recipient, direct });
  }

  #forwardTo(base: Place, address: Address): void {
    if (onlyAsks(this.#job.envelope)) {
      return this.#say({ ...base, address }, sent(this.#relay, `forwards to ${address}`));
    }
    this.#forward.add(address, base.sender, base.delivered, base.owned);
  }

  /** The address with the extension that no alias or .forward matched, unless it has one. */
  #extended(address: Address, from: Name | undefined): Address {
    if (from?.extension === undefined) return address;
    const { local, domain } = splitAddress(address);
    const own = splitExtension(local, this.#deps.settings.recipient_delimiter).extension;
    if (own !== undefined) return address;
    const extended = `${local}${from.delimiter}${from.extension}`;
    return internalAddress(domain === "" ? extended : `${extended}@${domain}`);
  }

  async #command(base: Place, command: string): Promise<void> {
    const allowed = splitList(this.#deps.settings.allow_mail_to_commands);
    if (base.source !== undefined && !allowed.includes(base.source)) {
      return this.#fail(base, "5.7.1", "mail to command is restricted");
    }
    if (!this.#first(`command ${base.identity?.uid ?? ""} ${command}`)) return;
    const name = nameOf(base.address, this.#deps.settings);
    this.#say(base, await this.#final.command(base, name, command, base.identity, base.user));
  }

  async #file(base: Place, path: string): Promise<void> {
    const allowed = splitList(this.#deps.settings.allow_mail_to_files);
    if (base.source !== undefined && !allowed.includes(base.source)) {
      return this.#fail(base, "5.7.1", "mail to file is restricted");
    }
    if (!this.#first(`file ${base.identity?.uid ?? ""} ${path}`)) return;
    this.#say(base, await this.#final.file(base, path));
  }

  async #include(base: Place, path: string, extension: Name | undefined): Promise<void> {
    if (!path.startsWith("/")) return this.#misconfigured(base, `:include:${path} uses a relative path`);
    if (!this.#first(`include ${base.identity?.uid ?? ""} ${path}`)) return;
    if (!this.#descend(base)) return this.#fail(base, "5.4.6", `:include: loop for ${path}`);
    const list = await readList(path, base.identity, this.#final, this.#deps);
    if (list.is === "unfit") return this.#misconfigured(base, list.warning);
    if (list.is === "ownerless") {
      this.#warn(`cannot find username for uid ${list.uid}`);
      this.#warn(`${path}: cannot find :include: file owner username`);
      return this.#fail(base, "4.3.5", "mail system configuration error");
    }
    if (list.is === "later") return this.#fail(base, "4.3.0", `cannot read ${path}: ${list.why}`);
    const { identity } = list;
    const inside: Place = { ...base, level: base.level + 1, source: "include", identity, indirect: true };
    const passed = this.#propagates("include") ? extension : undefined;
    for (const target of parseTargetFile(list.text)) await this.#target(inside, target, passed);
  }

  async #asUser(place: Place, name: Name, user: LocalUser): Promise<void> {
    if (this.#deps.settings.require_home_directory && this.#deps.ownership(user.home) === undefined) {
      return this.#fail(place, "4.3.0", `cannot access home directory of ${user.name}`);
    }
    if (!place.direct && await this.#asForward(place, name, user)) return;
    await this.#mailbox(place, name, user);
  }

  /** The user's .forward file, when there is one that has not been read already; one that is not fit for it is as none (local(8)). */
  async #asForward(place: Place, name: Name, user: LocalUser): Promise<boolean> {
    const paths = this.#forwardPaths(place, name, user);
    const file = await findForward(paths, user, this.#probe, this.#final, this.#deps);
    if (file === undefined) return false;
    const { path } = file;
    if (this.#probe) {
      this.#say(place, sent(this.#relay, `forward via file: ${path}`));
      return true;
    }
    if (!this.#first(`forward ${path}`)) return false;
    if (file.is === "unfit") {
      this.#warn(file.warning);
      return false;
    }
    if (file.is === "later") {
      this.#fail(place, "4.3.0", `cannot read ${path}: ${file.why}`);
      return true;
    }
    const targets = parseTargetFile(file.text);
    if (targets.length === 0) return false;
    await this.#expandForward(place, name, user, targets);
    return true;
  }

  /** The names of forward_path for a user, each once; those with an extension only when there is one. */
  #forwardPaths(place: Place, name: Name, user: LocalUser): Set<string> {
    const { settings } = this.#deps;
    const values = templateValues(name, place, user, settings);
    const paths = new Set<string>();
    for (const item of splitList(settings.forward_path)) {
      if (name.extension === undefined && /\$[{(]?extension/.test(item)) continue;
      const path = fillTemplate(item, values, settings.forward_expansion_filter);
      if (path?.startsWith("/")) paths.add(path);
    }
    return paths;
  }

  async #expandForward(
    place: Place,
    name: Name,
    user: LocalUser,
    targets: readonly Target[],
  ): Promise<void> {
    if (!this.#descend(place)) return this.#fail(place, "5.4.6", `.forward loop for ${user.name}`);
    const { frozen_delivered_to } = this.#deps.settings;
    const base: Place = {
      ...place,
      level: place.level + 1,
      source: "forward",
      by: user.name,
      identity: user,
      user,
      delivered: frozen_delivered_to ? place.delivered : place.address,
    };
    const extension = name.extension !== undefined && this.#propagates("forward") ? name : undefined;
    for (const target of targets) await this.#target(base, target, extension);
  }

  async #mailbox(place: Place, name: Name, user: LocalUser): Promise<void> {
    if (!this.#first(`mailbox ${user.name}`)) return;
    const { settings, mailboxTransportMaps, mailboxCommandMaps } = this.#deps;
    const transport = await this.#mapped(place, mailboxTransportMaps, user.name, settings.mailbox_transport);
    if (transport === undefined) return;
    if (transport !== "") return await this.#pass(place, transport);
    const command = await this.#mapped(place, mailboxCommandMaps, user.name, settings.mailbox_command);
    if (command === undefined) return;
    const outcome = command !== ""
      ? await this.#final.command(place, name, command, user, user)
      : await this.#final.mailbox(place, user);
    this.#say(place, outcome);
  }

  /** A per-user value, else the one for all; undefined when the table is in trouble and the recipient has its outcome. */
  async #mapped(
    place: Place,
    maps: Maps | undefined,
    user: string,
    fallback: string,
  ): Promise<string | undefined> {
    const answer: Answer = await maps?.find(user) ?? { is: "absent" };
    if (answer.is === "found") return answer.value;
    if (answer.is === "absent") return fallback;
    this.#warn(answer.why);
    this.#fail(place, "4.3.0", "table lookup failure");
    return undefined;
  }

  async #asUnknown(place: Place, name: Name): Promise<void> {
    const { settings, fallbackTransportMaps } = this.#deps;
    const fallback = settings.fallback_transport;
    const transport = await this.#mapped(place, fallbackTransportMaps, name.user, fallback);
    if (transport === undefined) return;
    if (transport !== "") return await this.#pass(place, transport);
    if (settings.luser_relay !== "" && place.level === 0) return await this.#luserRelay(place, name);
    if (RESERVED.has(name.user)) {
      this.#warn(`required alias not found: ${name.user}`);
      return this.#say(place, sent(this.#relay, "discarded"));
    }
    this.#fail(place, "5.1.1", `unknown user: "${name.user}"`);
  }

  async #luserRelay(place: Place, name: Name): Promise<void> {
    const { settings } = this.#deps;
    const filled = fillTemplate(settings.luser_relay, templateValues(name, place, undefined, settings));
    if (filled === undefined || filled.trim() === "") {
      return this.#misconfigured(place, `bad luser_relay value "${settings.luser_relay}"`);
    }
    this.#expansions++;
    await this.#address({ ...place, level: place.level + 1 }, filled.trim(), false, undefined);
  }

  /** The end of the service goes before, unless a part has been delivered: that must not come again because the others have nothing. */
  #throwIfUntouched(): void {
    if (this.#parts.length === 0) this.#signal.throwIfAborted();
  }

  /** Hands the recipient to another agent: `transport:nexthop` (mailbox_transport, fallback_transport). */
  async #pass(place: Place, spec: string): Promise<void> {
    const colon = spec.indexOf(":");
    const transport = colon < 0 ? spec : spec.slice(0, colon);
    const nexthop = (colon < 0 ? "" : spec.slice(colon + 1)) || this.#job.nexthop;
    const agent = transport === this.#job.transport ? undefined : this.#deps.agents(transport);
    if (agent === undefined) {
      this.#warn(`connect to transport private/${transport}: No such file or directory`);
      return this.#fail(place, "4.3.0", "mail transport unavailable");
    }
    const recipient: Recipient = { ...this.#recipient, address: place.address };
    const recipients = [{ index: this.#job.recipients[0]!.index, recipient }];
    const report = await agent.deliver({ ...this.#job, recipients, transport, nexthop }, this.#signal);
    const outcome = report.outcomes[0]!;
    if (outcome.is === "deferred" && outcome.interrupted === true) this.#throwIfUntouched();
    this.#parts.push({ address: place.address, outcome, by: agent.program });
  }
}
