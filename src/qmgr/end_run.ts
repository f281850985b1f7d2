import { systemErrorText } from "../platform/system_error.ts";
import { quoteAddress } from "../address/address.ts";
import type { Bouncer, ReportedRecipient } from "../bounce/bouncer.ts";
import type { Log } from "../observe/log.ts";
import type { Content, QueueStore, RecipientChange } from "../queue/store.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";
import type { ActiveMessage, Reported } from "./active_message.ts";
import { type Backoff, waitingTime } from "./backoff.ts";

/** What the end of a run needs. Times are milliseconds. */
export interface RunWorld {
  readonly store: QueueStore;
  readonly bounce: Bouncer;
  readonly log: Log;
  /** For ages. */
  readonly now: () => number;
  /** For when to try again: it goes on when the clock is set back. */
  readonly waits: () => number;
  readonly random: () => number;
  readonly backoff: Backoff;
  readonly lifetime: number;
  readonly bounceLifetime: number;
  /** 0 = no warnings. */
  readonly delayWarning: number;
  content(message: ActiveMessage): Promise<Content>;
}

/** What became of a message at the end of its run. */
export type RunEnd = { readonly is: "removed" } | { readonly is: "deferred"; readonly until: number };

/** Nothing is left to try, tell or keep: the common end. */
export function allDone(message: ActiveMessage): boolean {
  return message.traced === undefined && message.deferred.length === 0 && message.failures.length === 0 &&
    message.successes.length === 0 &&
    message.partFailures.length === 0 && message.expanded.length === 0;
}

/** Removes a message from the queue. */
export function removeMessage(message: ActiveMessage, world: Pick<RunWorld, "store" | "log">): RunEnd {
  message.probe?.ended();
  // Deleted by an operator in the meantime: that has been told.
  const wasThere = message.probe !== undefined || world.store.remove(message.id);
  if (wasThere) world.log.emit("qmgr", "removed", { id: message.id });
  return { is: "removed" };
}

/**
 * Ends a run in which something is to be told or tried again. A notice is durably queued before the failure that it tells of
 * is taken off the message: after a crash in between it comes twice, never not at all.
 */
export async function endRun(message: ActiveMessage, world: RunWorld): Promise<RunEnd> {
  const now = world.now();
  expire(message, world, now);
  const { failed, succeeded } = await tellWhatIsFinal(message, world);
  const late = message.deferred.length > 0 && isLate(message, world, now);
  const warned = late && await tell(message, world, "delayed", entries(message, message.deferred));
  if (failed && succeeded && message.deferred.length === 0) return removeMessage(message, world);
  const changes = finalChanges(message, failed, succeeded);
  const until = message.recalled === undefined
    ? world.waits() + waitingTime(now - queuedAt(message), world.backoff, world.random())
    : world.waits();
  world.store.defer(message.id, until, changes, { warned: message.warned || warned });
  return { is: "deferred", until };
}

/** Sends the notices of what is settled; answers which of them need not be sent again. */
export async function tellWhatIsFinal(
  message: ActiveMessage,
  world: RunWorld,
): Promise<{ readonly failed: boolean; readonly succeeded: boolean }> {
  const failures = [...entries(message, message.failures), ...message.partFailures];
  const failed = await tell(message, world, "failed", failures);
  return { failed, succeeded: await report(message, world) };
}

/** Since when it is in the queue, as far as its age matters for what is done with it. */
function queuedAt({ envelope: { created, arrival } }: ActiveMessage): number {
  return created ?? arrival;
}

/** Reports what went well; where a report on the whole run is wanted that is in it (bounce(8)). */
async function report(message: ActiveMessage, world: RunWorld): Promise<boolean> {
  const { expanded, traced } = message;
  if (traced !== undefined) return await tell(message, world, "traced", [...expanded, ...traced]);
  return await tell(message, world, "succeeded", [...expanded, ...entries(message, message.successes)]);
}

function isLate(message: ActiveMessage, world: RunWorld, now: number): boolean {
  return world.delayWarning > 0 && !message.warned && now >= queuedAt(message) + world.delayWarning;
}

/** A message past its lifetime fails for all recipients that are still deferred (maximal_queue_lifetime). */
function expire(message: ActiveMessage, world: RunWorld, now: number): void {
  const { sender } = message.envelope;
  const lifetime = sender === "" ? Math.min(world.bounceLifetime, world.lifetime) : world.lifetime;
  if (message.deferred.length === 0) return;
  if (!message.forcedExpire && now < queuedAt(message) + lifetime) return;
  world.log.emit("qmgr", "expired", {
    id: message.id,
    from: quoteAddress(sender),
    status: message.forcedExpire ? "force-expired" : "expired",
  });
  for (const { index, detail } of message.deferred) {
    message.failures.push({ index, detail: { ...detail, action: "failed" } });
  }
  message.deferred.length = 0;
}

function entries(message: ActiveMessage, reported: readonly Reported[]): ReportedRecipient[] {
  return reported.map(({ index, detail }) => ({ recipient: message.envelope.recipients[index]!, detail }));
}

/** Each failure of an expanded recipient is an entry of its own. */
function flatten(list: readonly ReportedRecipient[]): ReportedRecipient[] {
  return list.flatMap(({ recipient, detail }) => {
    if (detail.others === undefined) return [{ recipient, detail }];
    const { others, ...first } = detail;
    return [first, ...others].map((each: RecipientDetail) => ({ recipient, detail: each }));
  });
}

async function tell(
  message: ActiveMessage,
  world: RunWorld,
  what: "failed" | "succeeded" | "delayed" | "traced",
  list: readonly ReportedRecipient[],
): Promise<boolean> {
  if (list.length === 0) return true;
  try {
    const subject = { envelope: message.envelope, content: await world.content(message) };
    return await world.bounce[what](subject, flatten(list));
  } catch (error) {
    world.log.note("qmgr", "warning", `${message.id}: cannot send a notice: ${systemErrorText(error)}`);
    return false;
  }
}

function finalChanges(message: ActiveMessage, failed: boolean, succeeded: boolean): RecipientChange[] {
  const told = (reported: readonly Reported[], done: boolean, kept: "failed" | "sent"): RecipientChange[] =>
    reported.map(({ index, detail }) => ({
      index,
      state: done ? { is: "done" } : { is: kept, report: detail },
    }));
  // Whose report could not be sent counts as not tried before: the next run is reported.
  const stillPending = message.traced !== undefined && !succeeded ? [] : message.deferred;
  return [
    ...message.unrecorded.filter((change) => change.state.is === "done"),
    ...told(message.successes, succeeded, "sent"),
    ...told(message.failures, failed, "failed"),
    ...stillPending.map(({ index, detail }): RecipientChange => ({
      index,
      state: { is: "pending", why: { ...detail, action: "delayed" } },
    })),
  ];
}
