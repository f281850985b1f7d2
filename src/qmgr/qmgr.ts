import { systemErrorText } from "../platform/system_error.ts";
import { quoteAddress } from "../address/address.ts";
import { type Clock, goingOn } from "../base/clock.ts";
import { isPromise, type MaybeAsync } from "../base/maybe_async.ts";
import type { Bouncer } from "../bounce/bouncer.ts";
import { splitList } from "../config/syntax/list.ts";
import { type Ending, onAbort } from "../base/ending.ts";
import type { Agent, Outcome } from "../delivery/agent.ts";
import type { Log } from "../observe/log.ts";
import type { Envelope, QueueId } from "../queue/envelope.ts";
import type { MoveEffect, QueueStore } from "../queue/store.ts";
import type { RecipientDetail } from "../message/recipient_detail.ts";
import type { Route, Router } from "../routing/route.ts";
import type { ActiveLook } from "./active_look.ts";
import type { ActiveMessage } from "./active_message.ts";
import { assign, type Assignment, delayed, destinationKey } from "./assign.ts";
import { ActiveQueue } from "./active_queue.ts";
import { DeliverySlots } from "./delivery_slots.ts";
import { allDone, endRun, removeMessage, type RunEnd, type RunWorld, tellWhatIsFinal } from "./end_run.ts";
import type { Requeue, Requeued } from "./requeue.ts";
import type { Probe } from "./probe.ts";
import { sortRecipients } from "./sort_recipients.ts";
import { type Recorded, recordOutcomes, runDelivery } from "./run_delivery.ts";
import type { QmgrSettings } from "./qmgr_settings.ts";
import type { Share } from "./queued_destination.ts";
import { type Delivery, Transport } from "./transport.ts";
import { type TransportLimits, transportLimits } from "./transport_limits.ts";

/** What the queue manager is built from. */
export interface QmgrDeps {
  readonly store: QueueStore;
  readonly router: Pick<Router, "route">;
  /** The ways of address verification probes (address_verify_relayhost and its kin); without it `router`. */
  readonly probeRouter?: Pick<Router, "route">;
  /** The agent of a transport (master.cf service name), or undefined: mail transport unavailable. */
  readonly agents: (transport: string) => Agent | undefined;
  /** Concurrent deliveries of a transport (master.cf, field 7); 0 = no limit. */
  readonly processLimit: (transport: string) => number;
  /** Concurrent deliveries of all transports together; without it no limit. */
  readonly mostDeliveries?: number;
  readonly bounce: Bouncer;
  /** Sends a message through cleanup(8) again (postsuper(1) -r). */
  readonly requeue: Requeue;
  readonly log: Log;
  /** The log of a transport with a syslog_name of its own; without it `log`. */
  readonly transportLog?: (transport: string) => Log;
  /** Transports of master.cf: their parameters are read at once, so that a bad one stops the start and not a message. */
  readonly transports: readonly string[];
  readonly clock: Clock;
  /** The time that what is due goes by, where it is shared with the store; default: `clock`'s, going on when that is set back. */
  readonly waitingNow?: () => number;
  /** 0 to 1. */
  readonly random: () => number;
  readonly settings: QmgrSettings;
  /** main.cf by name, for `<transport>_...`. */
  readonly parameter: (name: string) => string | undefined;
  readonly hooks?: QmgrHooks;
}

/** What metrics hear. Called on the hot path: must not throw or wait. */
export interface QmgrHooks {
  /** One recipient's outcome, and how long it took since arrival in milliseconds. */
  readonly outcome?: (transport: string, is: Outcome["is"], delay: number) => void;
}

/** How full the queue manager is. */
export interface QmgrCounts {
  /** Messages in the active queue. */
  readonly active: number;
  /** Their recipients without an outcome. */
  readonly recipients: number;
  /** Deliveries with an agent. */
  readonly deliveries: number;
  readonly destinations: number;
}

/** Schedules and hands out deliveries (qmgr(8)). */
export interface Qmgr {
  start(): void;
  /** Takes in nothing more, lets what is with an agent finish as long as the ending lets it, puts the rest back as it was. */
  stop(ending: Ending): Promise<void>;
  /** Routes and tries a probe; it does not touch the store. */
  probe(probe: Probe): void;
  /** Forgets which destinations are dead, so that mail for them that becomes due is tried (`postqueue -f`, ETRN). */
  forgetDead(): void;
  /** Looks for due messages now (after an unhold, an expire, an adoption). */
  wake(): void;
  /** How it stands with a message that is active; undefined when it is not. */
  look(id: QueueId): ActiveLook | undefined;
  counts(): QmgrCounts;
}

/** A delivery that is with an agent. */
interface Running {
  readonly delivery: Delivery;
  /** Something has gone out that may count as delivered. */
  handedOver: boolean;
}

/** Builds the queue manager of one worker. Throws when a transport parameter of main.cf cannot be read. */
export function createQmgr(deps: QmgrDeps): Qmgr {
  return new QueueManager(deps);
}

class QueueManager implements Qmgr {
  readonly #deps: QmgrDeps;
  readonly #world: RunWorld;
  readonly #active: ActiveQueue;
  readonly #transports = new Map<string, Transport>();
  readonly #deferTransports: ReadonlySet<string>;
  readonly #abort = new AbortController();
  readonly #running = new Set<Running>();
  readonly #room: DeliverySlots;
  readonly #warnedUntil = new Map<string, number>();
  /** What is due goes by it: it goes on when the clock is set back. */
  readonly #waits: Clock;
  #stopping = false;
  #cancelRun: (() => void) | undefined;
  /** Who waits for messages to leave, as the service stops. */
  readonly #waiting = new Set<() => void>();

  constructor(deps: QmgrDeps) {
    this.#deps = deps;
    const { settings, store, clock } = deps;
    const waits = this.#waits = { now: deps.waitingNow ?? goingOn(clock.now), after: clock.after };
    this.#room = new DeliverySlots(deps.mostDeliveries ?? Infinity);
    this.#deferTransports = new Set(splitList(settings.defer_transports));
    this.#active = new ActiveQueue({
      store,
      clock,
      waits,
      log: deps.log,
      messageLimit: settings.qmgr_message_active_limit,
      recipientLimit: settings.qmgr_message_recipient_limit,
      retryAfter: settings.minimal_backoff_time * 1000,
      begin: (message, pending) => this.#begin(message, pending),
      left: () => this.#waiting.forEach((look) => look()),
    });
    this.#world = {
      store,
      bounce: deps.bounce,
      log: deps.log,
      now: clock.now,
      waits: waits.now,
      random: deps.random,
      backoff: {
        minimal: settings.minimal_backoff_time * 1000,
        maximal: settings.maximal_backoff_time * 1000,
      },
      lifetime: settings.maximal_queue_lifetime * 1000,
      bounceLifetime: settings.bounce_queue_lifetime * 1000,
      delayWarning: settings.delay_warning_time * 1000,
      content: (message) => this.#active.content(message),
    };
    for (const name of deps.transports) {
      this.#newTransport(name, transportLimits(name, settings, deps.parameter));
    }
  }

  start(): void {
    if (this.#world.bounceLifetime > this.#world.lifetime) {
      const text =
        "bounce_queue_lifetime is larger than maximal_queue_lifetime - adjusting bounce_queue_lifetime";
      this.#deps.log.note("qmgr", "warning", text);
    }
    this.#deps.store.onArrival(() => this.#active.wake());
    this.#deps.store.onRecall((id, effect) => this.#recall(id, effect));
    this.#queueRun();
  }

  wake(): void {
    this.#active.wake();
  }

  probe(probe: Probe): void {
    if (this.#stopping) return probe.ended("lost");
    this.#active.admit(probe);
  }

  look(id: QueueId): ActiveLook | undefined {
    const message = this.#active.get(id);
    if (message === undefined) return undefined;
    const destinations = (message.jobs ?? []).flatMap((job) => job.look() ?? []);
    return { since: message.activeSince, destinations };
  }

  forgetDead(): void {
    for (const transport of this.#transports.values()) transport.sweep(true);
  }

  counts(): QmgrCounts {
    let deliveries = 0;
    let destinations = 0;
    for (const transport of this.#transports.values()) {
      deliveries += transport.running;
      destinations += transport.destinations;
    }
    return { active: this.#active.size, recipients: this.#active.recipients, deliveries, destinations };
  }

  async stop({ hurry, cut }: Ending): Promise<void> {
    this.#stopping = true;
    this.#cancelRun?.();
    this.#active.stop();
    for (const transport of this.#transports.values()) {
      for (const { message, recipients } of transport.drain()) this.#putBack(message, recipients.length);
    }
    onAbort(hurry, () => this.#giveUp());
    await this.#until(() => this.#active.isEmpty, cut);
    this.#giveUp();
    for (const { delivery } of this.#running) this.#noteUncertain(delivery);
    this.#running.clear();
    for (const message of this.#active.messages()) this.#release(message);
    await this.#deps.store.flush();
  }

  /** Takes back what agents have not handed over to anybody: nothing is lost, and it goes out at once after the next start. */
  #giveUp(): void {
    this.#abort.abort(new Error("the mail system is stopping"));
    for (const running of this.#running) {
      if (running.handedOver) continue;
      this.#running.delete(running);
      const { message, recipients } = running.delivery;
      message.inFlight -= recipients.length;
      this.#putBack(message, recipients.length);
    }
  }

  #noteUncertain({ message, destination, transport }: Delivery): void {
    const text =
      `${message.id}: the end of the service has cut a delivery short: transport ${transport.name}, ` +
      `next hop ${destination.nexthop} -- message may be sent more than once`;
    this.#deps.log.note("qmgr", "warning", text);
  }

  /** The regular look at the deferred queue (queue_run_delay); due mail in between has its own timer. */
  #queueRun(): void {
    this.#cancelRun = this.#deps.clock.after(
      this.#deps.settings.queue_run_delay * 1000,
      () => this.#queueRun(),
    );
    for (const transport of this.#transports.values()) transport.sweep(false);
    this.#active.wake();
  }

  /** Resolves when that is so, which only messages that leave can bring about, or at the end of all patience. */
  #until(isSo: () => boolean, cut: AbortSignal): Promise<void> {
    if (isSo()) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        this.#waiting.delete(look);
        resolve();
      };
      const look = () => isSo() ? end() : undefined;
      this.#waiting.add(look);
      onAbort(cut, end);
    });
  }

  /** A message enters the active queue: every pending recipient finds its destination. */
  #begin(message: ActiveMessage, pending: readonly number[]): void {
    const { envelope } = message;
    if (message.requeue) return void this.#requeue(message, pending);
    this.#deps.log.emit("qmgr", "queueActive", {
      id: message.id,
      from: quoteAddress(envelope.sender),
      size: message.size,
      nrcpt: pending.length,
    });
    if (message.forcedExpire) return this.#expireNow(message, pending);
    if (pending.length === 0) return this.#end(message);
    const routes: Route[] = [];
    for (let i = 0; i < pending.length; i++) {
      const route = this.#route(envelope, pending[i]!);
      if (isPromise(route)) return void this.#beginLater(message, pending, routes, route);
      routes.push(route);
    }
    this.#enqueue(message, pending, routes);
  }

  /** An operator has other plans with a message: what has not begun does not begin, what has ends as it does. */
  #recall(id: QueueId, effect: MoveEffect): void {
    const message = this.#active.get(id);
    if (message === undefined) return this.#active.recall(id);
    message.recalled = effect === "deleted" ? "gone" : "back";
    const waiting = (message.jobs ?? []).reduce((sum, job) => sum + job.withdraw(), 0);
    if (waiting > 0) this.#putBack(message, waiting);
  }

  /** What is still to be told of it is told first: the message that takes its place knows nothing of that. */
  async #requeue(message: ActiveMessage, pending: readonly number[]): Promise<void> {
    const { failed, succeeded } = await tellWhatIsFinal(message, this.#world);
    const requeued: Requeued = failed && succeeded ? await this.#requeued(message, pending) : { is: "later" };
    this.#active.settled(message, pending.length);
    if (requeued.is === "done" || message.recalled === "gone") return this.#left(message, { is: "removed" });
    if (requeued.is === "later") {
      const until = this.#waits.now() + this.#world.backoff.minimal;
      this.#deps.store.defer(message.id, until, []);
      return this.#left(message, { is: "deferred", until });
    }
    message.failures.length = message.successes.length = message.partFailures.length = 0;
    for (const index of pending) message.failures.push({ index, detail: requeued.detail });
    this.#end(message);
  }

  async #requeued(message: ActiveMessage, pending: readonly number[]): Promise<Requeued> {
    try {
      const content = await this.#active.content(message);
      return await this.#deps.requeue({ envelope: message.envelope, content, pending });
    } catch (error) {
      this.#deps.log.note("qmgr", "warning", `${message.id}: cannot requeue: ${systemErrorText(error)}`);
      return { is: "later" };
    }
  }

  /** A router that throws has a bug; the recipient waits for its repair. */
  #route({ sender, recipients, kind }: Envelope, index: number): MaybeAsync<Route> {
    const { router, probeRouter } = this.#deps;
    const recipient = recipients[index]!.address;
    try {
      return (kind === "probe" ? probeRouter ?? router : router).route(sender, recipient);
    } catch (error) {
      this.#deps.log.note("qmgr", "warning", `cannot route ${recipient}: ${systemErrorText(error)}`);
      return { is: "trouble", why: String(error) };
    }
  }

  async #beginLater(
    message: ActiveMessage,
    pending: readonly number[],
    routes: Route[],
    first: Promise<Route>,
  ): Promise<void> {
    try {
      routes.push(await first);
      while (routes.length < pending.length) {
        routes.push(await this.#route(message.envelope, pending[routes.length]!));
      }
    } catch (error) {
      this.#deps.log.note("qmgr", "warning", `${message.id}: cannot route: ${systemErrorText(error)}`);
      while (routes.length < pending.length) routes.push({ is: "trouble", why: String(error) });
    }
    if (this.#stopping || message.recalled !== undefined) return this.#putBack(message, pending.length);
    this.#enqueue(message, pending, routes);
  }

  #enqueue(message: ActiveMessage, pending: readonly number[], routes: readonly Route[]): void {
    const touched = pending.length === 1 ? this.#enqueueOne(message, pending, routes[0]!) : undefined;
    if (touched !== undefined) return touched.dispatch();
    if (pending.length === 1) return;
    for (const transport of this.#enqueueGroups(message, pending, routes)) transport.dispatch();
  }

  /** The common case: one recipient, no grouping. */
  #enqueueOne(message: ActiveMessage, pending: readonly number[], route: Route): Transport | undefined {
    const assignment = this.#assign(message, pending[0]!, route);
    if (assignment === undefined) return undefined;
    const transport = this.#transport(assignment.transport);
    const key = this.#key(transport, assignment);
    if (this.#isDead(transport, key, message, pending)) return undefined;
    transport.add(transport.share(message), key, assignment.nexthop, pending);
    return transport;
  }

  #enqueueGroups(
    message: ActiveMessage,
    pending: readonly number[],
    routes: readonly Route[],
  ): Iterable<Transport> {
    const groups = new Map<
      Transport,
      Map<string, { readonly nexthop: string; readonly recipients: number[] }>
    >();
    for (let i = 0; i < pending.length; i++) {
      const assignment = this.#assign(message, pending[i]!, routes[i]!);
      if (assignment === undefined) continue;
      const transport = this.#transport(assignment.transport);
      let byKey = groups.get(transport);
      if (byKey === undefined) groups.set(transport, byKey = new Map());
      const key = this.#key(transport, assignment);
      const group = byKey.get(key);
      if (group === undefined) byKey.set(key, { nexthop: assignment.nexthop, recipients: [pending[i]!] });
      else group.recipients.push(pending[i]!);
    }
    for (const [transport, byKey] of groups) {
      const share: Share = transport.share(message);
      for (const [key, { nexthop, recipients }] of byKey) {
        sortRecipients(recipients, message);
        if (this.#isDead(transport, key, message, recipients)) continue;
        for (const together of deliveredTogether(message, recipients)) {
          transport.add(share, key, nexthop, together);
        }
      }
    }
    return groups.keys();
  }

  /** Decides over one recipient; undefined when it has its outcome already. */
  #assign(
    message: ActiveMessage,
    index: number,
    route: Route,
  ): Extract<Assignment, { is: "queue" }> | undefined {
    const assignment = assign(route, message.envelope, this.#deps.settings, this.#deferTransports);
    if (assignment.is === "queue") {
      if (assignment.recipient !== message.envelope.recipients[index]!.address) {
        (message.resolved ??= new Map()).set(index, assignment.recipient);
      }
      return assignment;
    }
    const outcome: Outcome = assignment.is === "defer"
      ? { is: "deferred", relay: "none", detail: assignment.detail }
      : { is: "sent", relay: "none", detail: assignment.detail };
    this.#settleHere(message, [index], outcome, assignment.is === "defer" ? "error" : "qmgr");
    return undefined;
  }

  #isDead(
    transport: Transport,
    key: string,
    message: ActiveMessage,
    recipients: readonly number[],
  ): boolean {
    const detail = transport.deadDetail(key);
    if (detail !== undefined) this.#suspend(message, recipients, detail.status, detail.text);
    return detail !== undefined;
  }

  #suspend(message: ActiveMessage, recipients: readonly number[], status: string, why: string): void {
    const detail = delayed(status, `delivery temporarily suspended: ${why}`);
    this.#settleHere(message, recipients, { is: "deferred", relay: "none", detail }, "error");
  }

  #key(transport: Transport, assignment: Extract<Assignment, { is: "queue" }>): string {
    return destinationKey(
      assignment.nexthop,
      assignment.recipient,
      transport.limits.recipients === 1,
      this.#deps.settings.recipient_delimiter,
    );
  }

  #transport(name: string): Transport {
    return this.#transports.get(name) ??
      this.#newTransport(name, transportLimits(name, this.#deps.settings, () => undefined));
  }

  #newTransport(name: string, limits: TransportLimits): Transport {
    const transport = new Transport(name, limits, this.#deps.processLimit(name), {
      clock: this.#waits,
      deadTime: this.#deps.settings.minimal_backoff_time * 1000,
      mayStart: (asking) => this.#room.mayStart(asking, this.#running.size),
      start: (delivery) => this.#deliver(delivery),
      suspend: (message, recipients, detail) =>
        this.#suspend(message, recipients, detail.status, detail.text),
    });
    this.#transports.set(name, transport);
    return transport;
  }

  #deliver(delivery: Delivery): void {
    const { message, recipients, transport } = delivery;
    const agent = this.#deps.agents(transport.name);
    const handoff = this.#deps.clock.now();
    if (agent === undefined) {
      this.#warnUnavailable(transport.name);
      const detail = delayed("4.3.0", "mail transport unavailable");
      this.#settleHere(message, recipients, { is: "deferred", relay: "none", detail }, "error");
      // Not from within dispatch: it is on the stack.
      return queueMicrotask(() => this.#finished(delivery, undefined));
    }
    message.inFlight += recipients.length;
    const running: Running = { delivery, handedOver: false };
    this.#running.add(running);
    const surroundings = {
      signal: this.#abort.signal,
      log: this.#deps.log,
      handingOver: () => {
        if (!this.#running.has(running)) throw this.#abort.signal.reason;
        running.handedOver = true;
      },
    };
    void runDelivery(agent, delivery, this.#active, surroundings).then((report) => {
      // Who was given up has gone back already.
      if (!this.#running.delete(running)) return;
      message.inFlight -= recipients.length;
      if (report === undefined) this.#putBack(message, recipients.length);
      else {
        this.#book(message, recipients, {
          agent: agent.program,
          log: this.#deps.transportLog?.(transport.name) ?? this.#deps.log,
          transport: transport.name,
          handoff,
          report,
        });
      }
      this.#finished(delivery, report?.deadSite);
    });
  }

  /** A delivery is over: whoever waits for room comes first. */
  #finished(delivery: Delivery, deadSite: RecipientDetail | undefined): void {
    delivery.transport.finished(delivery, deadSite);
    this.#room.fill(() => this.#running.size);
  }

  /** Books what an agent reports; whom the end of the service interrupted goes back. */
  #book(message: ActiveMessage, recipients: readonly number[], recorded: Recorded): void {
    const { report } = recorded;
    const wasInterrupted = (at: number) => isInterrupted(report.outcomes[at]);
    const back = recipients.filter((_, at) => wasInterrupted(at)).length;
    if (back === 0) return this.#record(message, recipients, recorded);
    message.putBack = true;
    const rest = recipients.filter((_, at) => !wasInterrupted(at));
    const outcomes = report.outcomes.filter((_, at) => !wasInterrupted(at));
    if (rest.length > 0) this.#record(message, rest, { ...recorded, report: { ...report, outcomes } });
    this.#putBack(message, back);
  }

  /** Books an outcome of our own for recipients. */
  #settleHere(
    message: ActiveMessage,
    recipients: readonly number[],
    outcome: Outcome,
    agent: Recorded["agent"],
  ): void {
    const now = this.#deps.clock.now();
    this.#record(message, recipients, {
      agent,
      log: this.#deps.log,
      transport: "",
      handoff: now,
      report: { outcomes: recipients.map(() => outcome), setup: 0, transmission: 0 },
    });
  }

  #record(message: ActiveMessage, recipients: readonly number[], recorded: Recorded): void {
    recordOutcomes(message, recipients, recorded, this.#deps);
    this.#active.settled(message, recipients.length);
    if (message.outstanding === 0) return this.#end(message);
    if (message.unrecorded.length > 0) {
      this.#deps.store.record(message.id, message.unrecorded.splice(0));
    }
  }

  #putBack(message: ActiveMessage, recipients: number): void {
    message.putBack = true;
    this.#active.settled(message, recipients);
    if (message.outstanding === 0) this.#end(message);
  }

  #expireNow(message: ActiveMessage, pending: readonly number[]): void {
    const unknown = delayed("4.4.7", "message is administratively expired");
    for (const index of pending) message.deferred.push({ index, detail: message.why?.get(index) ?? unknown });
    this.#active.settled(message, pending.length);
    this.#end(message);
  }

  #end(message: ActiveMessage): void {
    if (message.recalled === "gone") return this.#left(message, { is: "removed" });
    if (message.putBack === true) return this.#release(message);
    if (allDone(message)) return this.#left(message, removeMessage(message, this.#world));
    void endRun(message, this.#world).then(
      (end) => this.#left(message, end),
      (error) => {
        this.#deps.log.note("qmgr", "warning", `${message.id}: cannot settle: ${systemErrorText(error)}`);
        this.#release(message);
      },
    );
  }

  #left(message: ActiveMessage, end: RunEnd): void {
    this.#active.remove(message);
    if (end.is === "deferred") this.#active.wakeBy(end.until);
  }

  #release(message: ActiveMessage): void {
    if (message.probe !== undefined) {
      message.probe.ended("lost");
      return this.#left(message, { is: "removed" });
    }
    try {
      if (message.unrecorded.length > 0) {
        this.#deps.store.record(message.id, message.unrecorded.splice(0));
      }
      this.#deps.store.release(message.id);
    } catch (error) {
      this.#deps.log.note("qmgr", "warning", `${message.id}: cannot put back: ${systemErrorText(error)}`);
    }
    this.#left(message, { is: "removed" });
  }

  #warnUnavailable(transport: string): void {
    const now = this.#waits.now();
    if ((this.#warnedUntil.get(transport) ?? 0) > now) return;
    this.#warnedUntil.set(transport, now + this.#deps.settings.transport_retry_time * 1000);
    const warn = (text: string) => this.#deps.log.note("qmgr", "warning", text);
    warn(`connect to transport private/${transport}: No such file or directory`);
    warn(`master.cf has no entry "${transport} unix"; its mail waits`);
  }
}

/** With VERP each recipient has a sender of its own, and a delivery. */
function deliveredTogether(
  { envelope: { verp } }: ActiveMessage,
  recipients: readonly number[],
): readonly (readonly number[])[] {
  return verp === undefined ? [recipients] : recipients.map((index) => [index]);
}

function isInterrupted(outcome: Outcome | undefined): boolean {
  return outcome?.is === "deferred" && outcome.interrupted === true;
}
