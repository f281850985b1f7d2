import { splitAddress } from "../../address/address.ts";
import type { MaybeAsync } from "../../base/maybe_async.ts";
import type { ParameterName, SettingsOf } from "../../config/parameters/settings_type.ts";
import type { Log } from "../../observe/log.ts";
import { onlyAsks, type Recipient } from "../../queue/envelope.ts";
import type { OpenMaps } from "../../rewrite/open_tables.ts";
import { splitExtension } from "../../table/search/extension.ts";
import type { Answer } from "../../table/table.ts";
import type { Agent, DeliveryJob, Outcome } from "../agent.ts";
import { topLines } from "../mailbox/headers.ts";
import { failed, isForeign, maildirHints, OWNERSHIP_HINT, sent } from "../outcomes.ts";
import { eachRecipient } from "../mailbox/each_recipient.ts";
import { mailCopy } from "../mailbox/mail_copy.ts";
import { mboxLocking } from "../mailbox/mbox_locking.ts";
import type { Identity, MailTask, MailWriter, TaskResult } from "../mailbox/writer.ts";

/** The main.cf parameters that virtual(8) obeys. */
export const VIRTUAL_PARAMETERS = [
  "virtual_mailbox_base",
  "virtual_mailbox_limit",
  "virtual_mailbox_lock",
  "virtual_minimum_uid",
  "recipient_delimiter",
  "deliver_lock_attempts",
  "deliver_lock_delay",
  "stale_lock_time",
  "strict_mailbox_ownership",
  "myhostname",
] as const satisfies readonly ParameterName[];

/** Their values. */
export type VirtualSettings = SettingsOf<typeof VIRTUAL_PARAMETERS>;

/** A list of tables, for whole addresses and for parts of them. */
type MailboxMaps = Pick<OpenMaps, "whole" | "partial">;

/** What the virtual mailbox agent is built from. */
export interface VirtualDeps {
  readonly settings: VirtualSettings;
  readonly mailboxMaps: MailboxMaps | undefined;
  readonly uidMaps: MailboxMaps | undefined;
  readonly gidMaps: MailboxMaps | undefined;
  readonly writer: MailWriter;
  readonly now: () => number;
  readonly log: Log;
}

const CONFIGURATION_ERROR = "mail system configuration error";

const ABSENT: Answer = { is: "absent" };

/** Builds the agent that delivers to mailboxes of virtual domains: every name and number comes from tables (virtual(8)). */
export function createVirtualAgent(deps: VirtualDeps): Agent {
  return {
    program: "virtual",
    deliver: (job, signal) =>
      eachRecipient(job, signal, deps.now, (recipient, seen) => deliverOne(job, recipient, seen, deps)),
    close: () => Promise.resolve(),
  };
}

/** Looks an address up: whole, without its extension, then `@domain`; pattern tables see it whole only (virtual(8)). */
async function find(maps: MailboxMaps | undefined, address: string, delimiters: string): Promise<Answer> {
  if (maps === undefined) return ABSENT;
  const { local, domain } = splitAddress(address);
  const { base, extension } = splitExtension(local, delimiters);
  const keys = [address, ...extension === undefined ? [] : [`${base}@${domain}`], `@${domain}`];
  for (const key of keys) {
    const answer: MaybeAsync<Answer> = (key === address ? maps.whole : maps.partial).find(key.toLowerCase());
    const found = await answer;
    if (found.is !== "absent") return found;
  }
  return ABSENT;
}

/** A user's or group's number for a recipient, or the outcome when there is none. */
async function numberOf(
  maps: MailboxMaps | undefined,
  what: "uid" | "gid",
  recipient: Recipient,
  relay: string,
  deps: VirtualDeps,
): Promise<number | Outcome> {
  const parameter = `virtual_${what}_maps`;
  const bad = (why: string): Outcome => {
    deps.log.note("virtual", "warning", `recipient ${recipient.address}: ${why} in ${parameter}`);
    return failed(relay, "4.3.5", CONFIGURATION_ERROR);
  };
  const answer = await find(maps, recipient.address, deps.settings.recipient_delimiter);
  if (answer.is === "absent") return bad(`${what} not found`);
  if (answer.is === "trouble") {
    deps.log.note("virtual", "warning", answer.why);
    return failed(relay, "4.3.5", CONFIGURATION_ERROR);
  }
  const value = /^\d+$/.test(answer.value) ? Number(answer.value) : 0;
  const least = what === "uid" ? deps.settings.virtual_minimum_uid : 1;
  return value < least ? bad(`bad ${what} ${answer.value}`) : value;
}

async function deliverOne(
  job: DeliveryJob,
  recipient: Recipient,
  seen: ReadonlySet<string>,
  deps: VirtualDeps,
): Promise<Outcome> {
  const relay = job.transport;
  const { address } = recipient;
  if (seen.has(address.toLowerCase())) {
    return failed(relay, "5.4.6", `mail forwarding loop for ${address}`);
  }
  const mailbox = await find(deps.mailboxMaps, address, deps.settings.recipient_delimiter);
  if (mailbox.is === "absent") return failed(relay, "5.1.1", `unknown user: "${address}"`);
  if (mailbox.is === "trouble") {
    deps.log.note("virtual", "warning", mailbox.why);
    return failed(relay, "4.3.5", CONFIGURATION_ERROR);
  }
  const path = `${deps.settings.virtual_mailbox_base}/${mailbox.value}`;
  if (`/${mailbox.value}`.includes("/../")) {
    const what = `bad mailbox path ${mailbox.value} in virtual_mailbox_maps`;
    deps.log.note("virtual", "warning", `recipient ${address}: ${what}`);
    return failed(relay, "4.3.5", CONFIGURATION_ERROR);
  }
  const uid = await numberOf(deps.uidMaps, "uid", recipient, relay, deps);
  if (typeof uid !== "number") return uid;
  const gid = await numberOf(deps.gidMaps, "gid", recipient, relay, deps);
  if (typeof gid !== "number") return gid;
  if (onlyAsks(job.envelope)) {
    return sent(relay, mailbox.value.endsWith("/") ? "delivers to maildir" : "delivers to mailbox");
  }
  return await write(job, recipient, path, { uid, gid }, deps);
}

async function write(
  job: DeliveryJob,
  recipient: Recipient,
  path: string,
  identity: Identity,
  deps: VirtualDeps,
): Promise<Outcome> {
  const maildir = path.endsWith("/");
  const prefix = topLines({
    fromLine: !maildir,
    sender: job.envelope.sender,
    time: deps.now(),
    original: recipient.original,
    delivered: recipient.address,
  });
  const task = maildir ? maildirTask(path, deps.settings) : mboxTask(path, deps.settings);
  job.handingOver?.();
  const result = await deps.writer.deliverTo(
    identity,
    task,
    () => mailCopy(job.content, { prefix, mbox: !maildir }),
  );
  warn(result, path, recipient.address, identity, deps.log);
  return outcomeOf(job.transport, result, path);
}

function maildirTask(path: string, settings: VirtualSettings): MailTask {
  return {
    do: "maildir",
    path: path.replace(/\/+$/, ""),
    hostname: settings.myhostname,
    sizeLimit: settings.virtual_mailbox_limit,
  };
}

function mboxTask(path: string, settings: VirtualSettings): MailTask {
  return {
    do: "mbox",
    path,
    ...mboxLocking(settings, settings.virtual_mailbox_lock),
    sizeLimit: settings.virtual_mailbox_limit,
    strictOwner: settings.strict_mailbox_ownership,
    anyFile: false,
    spool: false,
  };
}

function outcomeOf(relay: string, result: TaskResult, path: string): Outcome {
  const maildir = path.endsWith("/");
  if (result.is === "done") return sent(relay, `delivered to ${maildir ? "maildir" : "mailbox"}`);
  if (isNoFile(result)) return failed(relay, "5.3.5", CONFIGURATION_ERROR);
  const what = maildir ? "maildir delivery failed: " : `delivery failed to mailbox ${path}: `;
  const why = "why" in result ? result.why : `unexpected answer "${result.is}"`;
  const code = result.is === "failed" ? result.code : "";
  const status = code === "EFBIG" || code === "EDQUOT" ? "5.2.2" : code === "ENOSPC" ? "4.3.0" : "4.2.0";
  return failed(relay, status, `${what}${why}`);
}

function isNoFile(result: TaskResult): boolean {
  return result.is === "failed" && result.code === "IRREGULAR";
}

/** What the log says beside the recipient's line. */
function warn(result: TaskResult, path: string, address: string, { uid, gid }: Identity, log: Log): void {
  const say = (text: string) => log.note("virtual", "warning", text);
  if (result.is !== "failed") return;
  if (isNoFile(result)) say(`recipient ${address}: ${result.why}`);
  if (isForeign(result)) say(OWNERSHIP_HINT);
  if (!path.endsWith("/") || result.code !== "EACCES") return;
  for (const line of maildirHints(result.why, uid, gid)) say(line);
}
