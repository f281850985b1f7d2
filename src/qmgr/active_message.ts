import type { Address } from "../address/address.ts";
import type { Envelope, QueueId } from "../queue/envelope.ts";
import type { Content, RecipientChange, RecipientState, StoredMessage } from "../queue/store.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";
import type { ReportedRecipient } from "../bounce/bouncer.ts";
import type { WaitingFor } from "./active_look.ts";
import type { Probe } from "./probe.ts";

/** A message of the active queue: one run over its recipients that are still to be delivered. */
export interface ActiveMessage {
  readonly id: QueueId;
  readonly envelope: Envelope;
  readonly size: number;
  readonly warned: boolean;
  readonly forcedExpire: boolean;
  /** It is to go through cleanup(8) again. */
  readonly requeue: boolean;
  /** When it entered the active queue, milliseconds since 1970. */
  readonly activeSince: number;
  /** Let go when much content waits in memory; then the store is asked again. */
  content: Content | undefined;
  /** Recipients of this run without an outcome. */
  outstanding: number;
  /** Recipients handed to an agent that has not answered. */
  inFlight: number;
  /** Recipients deferred in this run, with the reason. */
  readonly deferred: { readonly index: number; readonly detail: RecipientDetail }[];
  /** Final states of this run that the store does not know yet. */
  readonly unrecorded: RecipientChange[];
  /** Failures and successes that a notice is due for, by index in the envelope. */
  readonly failures: Reported[];
  readonly successes: Reported[];
  /** Failures below a recipient that itself is deferred: reported, but the recipient stays. */
  readonly partFailures: ReportedRecipient[];
  /** Aliases that the message came by and that asked to hear of it; told at the end of the first run. */
  readonly expanded: readonly ReportedRecipient[];
  /** Addresses that routing changed, by index. */
  resolved?: Map<number, Address>;
  /** Reasons of the last deferral, kept for forced expiration only. */
  readonly why?: ReadonlyMap<number, RecipientDetail>;
  /** What the sender wants reported of this run (sendmail -bv, -v); undefined when nothing. */
  readonly traced: ReportedRecipient[] | undefined;
  /** It is a probe: nothing of it is in the store. */
  readonly probe?: Probe;
  /** The service is stopping, or an operator has other plans: the message goes back as it was. */
  putBack?: boolean;
  /** An operator has taken it out of its run; `gone` when it is deleted. */
  recalled?: "back" | "gone";
  /** Where its recipients wait, or have waited. */
  jobs?: ActiveJob[];
}

/** Recipients of a message at one destination. */
export interface ActiveJob {
  /** Takes those out that have not been handed to an agent, and answers how many. */
  readonly withdraw: () => number;
  /** How it stands with them; undefined when none waits or is with an agent. */
  readonly look: () => WaitingFor | undefined;
}

/** What a notice is due for: a recipient and one or more results. */
export interface Reported {
  readonly index: number;
  readonly detail: RecipientDetail;
}

/** The recipients of a stored message that are still to be delivered, by index. */
export function pendingIndexes(states: readonly RecipientState[]): number[] {
  const out: number[] = [];
  for (let index = 0; index < states.length; index++) if (states[index]!.is === "pending") out.push(index);
  return out;
}

function reasons(states: readonly RecipientState[]): Map<number, RecipientDetail> {
  const out = new Map<number, RecipientDetail>();
  states.forEach((state, index) => {
    if (state.is === "pending" && state.why !== undefined) out.set(index, state.why);
  });
  return out;
}

const isFirstRun = (states: readonly RecipientState[]) =>
  states.every((state) => state.is === "pending" && state.why === undefined);

function expandedEntries({ expanded = [] }: Envelope): ReportedRecipient[] {
  return expanded.map((recipient) => ({
    recipient,
    detail: { status: "2.0.0", text: "alias expanded", action: "expanded" },
  }));
}

/** Makes a stored message active; notices that an earlier run could not send are due again. */
export function activate(stored: StoredMessage, pending: number, now: number): ActiveMessage {
  const failures: Reported[] = [];
  const successes: Reported[] = [];
  stored.states.forEach((state, index) => {
    if (state.is === "failed") failures.push({ index, detail: state.report });
    else if (state.is === "sent" && state.report !== undefined) {
      successes.push({ index, detail: state.report });
    }
  });
  const isFirst = isFirstRun(stored.states);
  const { trace } = stored.envelope;
  const isTraced = trace === "verify" || (trace === "record" && isFirst);
  const forcedExpire = stored.forcedExpire === true;
  return {
    id: stored.envelope.id,
    envelope: stored.envelope,
    size: stored.content.size,
    warned: stored.warned,
    forcedExpire,
    requeue: stored.requeue === true,
    activeSince: now,
    content: stored.content,
    outstanding: pending,
    inFlight: 0,
    deferred: [],
    unrecorded: [],
    failures,
    successes,
    partFailures: [],
    expanded: isFirst ? expandedEntries(stored.envelope) : [],
    traced: isTraced ? [] : undefined,
    ...forcedExpire && { why: reasons(stored.states) },
  };
}

/** Makes a probe active: all its recipients are to be asked about. */
export function activateProbe(probe: Probe, now: number): ActiveMessage {
  const { envelope, content } = probe;
  return {
    id: envelope.id,
    envelope,
    size: content.size,
    warned: false,
    forcedExpire: false,
    requeue: false,
    activeSince: now,
    content,
    outstanding: envelope.recipients.length,
    inFlight: 0,
    deferred: [],
    unrecorded: [],
    failures: [],
    successes: [],
    partFailures: [],
    expanded: [],
    traced: undefined,
    probe,
  };
}
