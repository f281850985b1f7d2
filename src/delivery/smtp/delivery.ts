import { asciiDomain } from "../../address/idna.ts";
import { splitList } from "../../config/syntax/list.ts";
import { systemErrorText } from "../../platform/system_error.ts";
import { isOptional } from "../../tls/client_policy.ts";
import type { DeliveryJob, DeliveryReport } from "../agent.ts";
import { Session } from "./client_session.ts";
import { onlyAsks } from "../../queue/envelope.ts";
import { type Endpoint, openSession } from "./connector.ts";
import { outgoingMessage } from "./content/outgoing_message.ts";
import type { DeliveryContext } from "./delivery_context.ts";
import { type Failure, isSoft, localFailure } from "./failure.ts";
import { KeptSessions } from "./kept_sessions.ts";
import { makeReady, type Purpose } from "./make_ready.ts";
import { Progress } from "./progress.ts";
import {
  type AddressList,
  domainTargets,
  hostTargets,
  type MxDomain,
  type Target,
} from "./route/address_list.ts";
import { type Destination, parseDestination } from "./route/smtp_destination.ts";
import { type Demand, NO_DEMAND } from "./session_key.ts";
import { isPassedOver, SiteDemands } from "./site_demands.ts";
import { FeatureStatus } from "./tls/feature_status.ts";
import { demandsTls } from "./tls/requiretls_policy.ts";
import { Transcript } from "../../smtp/transcript.ts";
import { transact, type TransactionContext, type TransactionEnd } from "./transaction.ts";

/** Port on which mail systems talk to each other: there a host with our own name or address is a loop. */
const SMTP_PORT = 25;
/** Port of SMTP over TLS from the first byte (RFC 8314 §3.3). */
const SUBMISSIONS_PORT = 465;

/** What can go wrong in a client's session that a postmaster is told of (notify_classes). */
const CLIENT_CLASSES = ["data", "protocol"] as const;

/** Delivers one job: finds the hosts, talks to them in turn, gives each recipient its outcome (smtp_connect(3)). */
export async function deliver(
  job: DeliveryJob,
  signal: AbortSignal,
  context: DeliveryContext,
): Promise<DeliveryReport> {
  return await new Delivery(job, signal, context).run();
}

class Delivery {
  readonly #job: DeliveryJob;
  readonly #signal: AbortSignal;
  readonly #context: DeliveryContext;
  readonly #progress: Progress;
  /** Why the last host or lookup failed. */
  #why: Failure | undefined;
  /** No further next hop will be tried. */
  #finalNexthop = false;
  readonly #kept: KeptSessions;
  /** TLS broke where it need not be: the same server gets another chance in the clear. */
  #retryInClear = false;
  #transaction: TransactionContext | undefined;

  constructor(job: DeliveryJob, signal: AbortSignal, context: DeliveryContext) {
    this.#job = job;
    this.#signal = signal;
    this.#context = context;
    this.#kept = new KeptSessions(job, context);
    const { program } = context.settings;
    this.#progress = new Progress(job, {
      softBounce: context.settings.softBounce,
      now: context.now,
      skipped: (reason) => context.log.emit(program, "hostSkipped", { id: job.envelope.id, reason }),
    });
  }

  async run(): Promise<DeliveryReport> {
    this.#transaction = await outgoingMessage(this.#job, this.#context, {
      keep: (session) => this.#kept.willKeep(session),
      impatient: (session) => this.#context.cache.impatient(session),
      mayRetryInClear: (failure, session) => this.#mayRetryInClear(failure, session),
    });
    const passed = await this.#overSites();
    if (passed !== undefined) return passed;
    if (this.#signal.aborted) this.#progress.interrupt();
    if (this.#progress.left.length > 0) {
      this.#progress.finalServer = true;
      const failure = this.#why ?? localFailure("4.3.0", "server unavailable or unable to receive mail");
      this.#progress.failAll(failure, undefined, { throttle: true });
      this.#progress.sessionEnds();
    }
    return this.#progress.report();
  }

  /** The next hop (which may list several), then the fallback relays. */
  async #overSites(): Promise<DeliveryReport | undefined> {
    const { settings } = this.#context;
    const [sites, socket] = sitesOf(this.#job.nexthop, settings.program);
    if (socket !== undefined) return void await this.#overSocket(socket);
    const all = [...sites, ...settings.fallbackRelays];
    let at = 0;
    for (; at < all.length && this.#mustGoOn(); at++) {
      if (at === all.length - 1) this.#finalNexthop = true;
      await this.#overSite(all[at]!, at === 0);
      if (this.#finalNexthop) break;
    }
    if (this.#progress.left.length === 0 || this.#why === undefined || isSoft(this.#why)) return undefined;
    return await this.#explained(sites[0]!, at >= sites.length && at < all.length);
  }

  #mustGoOn(): boolean {
    return this.#progress.left.length > 0 && !this.#signal.aborted;
  }

  /** A lasting failure of a relay that the operator chose is the operator's mistake: the mail waits (smtp_connect(3)). */
  async #explained(firstSite: string, isFallback: boolean): Promise<DeliveryReport | undefined> {
    const { settings, warn, bestMx } = this.#context;
    const isRelayhost = settings.program === "smtp" && firstSite === settings.relayhost;
    if (isFallback || isRelayhost) {
      const name = isFallback ? "smtp_fallback_relay" : "relayhost";
      warn(`${name} configuration problem`);
      this.#why = { ...this.#why!, status: "4.3.5" };
      return undefined;
    }
    const loops = this.#why!.status.endsWith(".4.6");
    if (settings.program !== "smtp" || !loops || settings.bestMxTransport === "") return undefined;
    if (bestMx === undefined) {
      warn(`best_mx_transport = ${settings.bestMxTransport} cannot be used here`);
      return undefined;
    }
    return await bestMx(this.#job, this.#signal);
  }

  async #overSite(site: string, first: boolean): Promise<void> {
    const { settings, service } = this.#context;
    const destination = parseDestination(site, {
      defaultPort: settings.defaultPort,
      knownPorts: settings.knownPorts,
      service,
    });
    if (destination.is !== "host") return this.#badDestination(destination);
    this.#hintAtWrapperMode(destination.port);
    const where = { nexthop: site, domain: destination.host, port: destination.port };
    const demands = await SiteDemands.of(where, this.#job, this.#context, this.#signal);
    if (!this.#mustGoOn()) return;
    const limits = { addresses: 0, sessions: 0 };
    const isKept = first && this.#kept.begin(destination.text, destination.host, demands.text);
    if (isKept && await this.#overSoleServer(demands)) return;
    const detectLoop = settings.program === "smtp" && destination.port === SMTP_PORT;
    const list = await this.#lookUp(destination, detectLoop);
    if (list.failure !== undefined && list.targets.length === 0) this.#why = list.failure;
    for (const warning of list.warnings ?? []) this.#context.warn(warning);
    // Other relays do not help when the mail comes back to this host.
    if (list.iAmMx || list.failure?.status.endsWith(".4.6")) this.#finalNexthop = true;
    const rest = first ? await this.#overKeptSessions(list.targets, demands, limits) : list.targets;
    await this.#overTargets({
      rest,
      all: list.targets,
      mx: list.mx,
      destination,
      detectLoop,
      limits,
      demands,
    });
  }

  /** The direct way: a kept connection to the only server there is needs no lookup. Answers whether it was taken. */
  async #overSoleServer(demands: SiteDemands): Promise<boolean> {
    for (;;) {
      const session = await this.#kept.takeForNexthop(demands, true);
      if (session === undefined) return false;
      if (!this.#mustGoOn()) {
        session.quit();
        return false;
      }
      this.#progress.finalServer = this.#finalNexthop;
      if (await this.#transfer(session)) return true;
    }
  }

  /** A server on port 465 waits for a handshake, and we for a greeting. */
  #hintAtWrapperMode(port: number): void {
    const { settings: { helpfulWarnings, program }, tls, log } = this.#context;
    if (port !== SUBMISSIONS_PORT || tls.settings.wrapperMode || !helpfulWarnings) return;
    const needs =
      `"${program}_tls_wrappermode = yes", and "${program}_tls_security_level = encrypt" (or stronger)`;
    log.note(program, "info", `SMTPS wrappermode (TCP port 465) requires setting ${needs}`);
  }

  #badDestination(destination: Exclude<Destination, { is: "host" }>): void {
    const why = destination.is === "malformed" ? destination.why : "a socket is no SMTP destination";
    this.#context.warn(why);
    this.#why = localFailure("4.3.5", `mail system configuration error: ${why}`);
  }

  async #lookUp(destination: Destination & { is: "host" }, detectLoop: boolean): Promise<AddressList> {
    const { settings } = this.#context;
    const host = asciiDomain(destination.host) || destination.host;
    return settings.program === "lmtp" || destination.literal || settings.dns === "disabled"
      ? await hostTargets(this.#context, host, detectLoop)
      : await domainTargets(this.#context, host, detectLoop);
  }

  #limitReached({ addresses, sessions }: Limits): boolean {
    const { mxAddressLimit, mxSessionLimit } = this.#context.settings;
    return (mxAddressLimit > 0 && addresses >= mxAddressLimit) ||
      (mxSessionLimit > 0 && sessions >= mxSessionLimit);
  }

  /** Connections kept for this next hop, as long as they last; answers the addresses that are left to try. */
  async #overKeptSessions(
    targets: readonly Target[],
    demands: SiteDemands,
    limits: Limits,
  ): Promise<readonly Target[]> {
    let rest = targets;
    while (
      rest.length > 0 && this.#mustGoOn() && !this.#limitReached(limits)
    ) {
      const session = await this.#kept.takeForNexthop(demands, false);
      if (session === undefined) break;
      const others = rest.filter(({ address }) => address !== session.peer.address);
      this.#progress.finalServer = this.#finalNexthop && others.length === 0;
      if (!await this.#transfer(session)) continue;
      limits.sessions++;
      limits.addresses++;
      rest = others;
    }
    return rest;
  }

  async #overTargets(round: Round): Promise<void> {
    const { rest, limits } = round;
    for (let i = 0; i < rest.length && this.#mustGoOn() && !this.#limitReached(limits); i++) {
      limits.addresses++;
      const demand = await round.demands.server(rest[i]!, round.mx);
      if (isPassedOver(demand)) {
        this.#why = demand.why ?? this.#why;
        this.#tells(demand.status);
        continue;
      }
      this.#retryInClear = false;
      this.#tells(statusOf(demand));
      await this.#overTarget(round, i, demand);
      if (!this.#retryInClear || !this.#mustGoOn()) continue;
      this.#retryInClear = false;
      this.#tells(statusOf(demand));
      await this.#overTarget(round, i, NO_DEMAND, true);
    }
  }

  async #overTarget(round: Round, at: number, demand: Demand, isFallback = false): Promise<void> {
    const { rest, all, limits, destination, detectLoop, demands } = round;
    const target = rest[at]!;
    const setFinal = () =>
      this.#progress.finalServer = this.#finalNexthop &&
        (at === rest.length - 1 || this.#limitReached(limits));
    const peer = { host: target.host, address: target.address, port: destination.port };
    const endpoint: Endpoint = { is: "tcp", peer, family: target.family };
    // A kept connection that turns out dead gives way to a new one to the same address.
    for (let transferred = false; !transferred && this.#mustGoOn();) {
      const session = await this.#sessionTo(endpoint, demand, {
        id: this.#job.envelope.id,
        arrival: this.#job.envelope.arrival,
        nexthop: destination.text,
        domain: destination.host,
        detectLoop,
        reportTo: demands.reportTo,
        prepare: (opened) => {
          opened.bestMx = target.preference === all[0]!.preference;
          opened.sole = all.length === 1;
          // What was made for less than is demanded is for this message alone.
          if (isFallback) opened.reusable = false;
          setFinal();
        },
      });
      if (session === undefined) return;
      const isNew = session.uses === 0;
      if (isNew) limits.sessions++;
      setFinal();
      transferred = await this.#transfer(session);
      if (this.#retryInClear && isNew) limits.sessions--;
    }
  }

  /** A session that is ready for mail: kept under its address, or new; undefined when the host did not want us. */
  async #sessionTo(endpoint: Endpoint, demand: Demand, opening: Opening): Promise<Session | undefined> {
    const { peer } = endpoint;
    const { log, settings } = this.#context;
    const kept = this.#kept.takeForServer(peer, demand);
    if (kept !== undefined) return kept;
    const session = await openSession(endpoint, demand, this.#context, this.#signal);
    if (!(session instanceof Session)) {
      this.#why = session;
      if (this.#signal.aborted) return undefined;
      log.emit(settings.program, "connectFailed", { reason: session.text });
      return undefined;
    }
    session.tlsStatus = this.#progress.tlsStatus;
    this.#listen(session);
    opening.prepare(session);
    const failure = await this.#whileAbortable(session, makeReady(session, opening, this.#context));
    if (failure === undefined) return session;
    this.#notOpened(session, failure);
    return undefined;
  }

  /** The delivery line will tell of this, if it tells of TLS at all (smtp_log_tls_feature_status). */
  #tells(status: FeatureStatus | undefined): void {
    if (this.#context.settings.logsTlsStatus) this.#progress.tlsStatus = status;
  }

  #notOpened(session: Session, failure: Failure): void {
    this.#why = failure;
    if (this.#mayRetryInClear(failure, session)) this.#progress.finalServer = false;
    // Where TLS need not be, a handshake that fails does not make the destination a dead one (smtp_proto(3)).
    const throttle = failure.brokenTls !== "handshake" || !isOptional(session.key.tls.level);
    this.#progress.failAll(failure, session, { throttle });
    this.#progress.sessionEnds();
    session.quit();
    this.#tellPostmaster(session);
  }

  /** Keeps what is said where the postmaster may want to see it. */
  #listen(session: Session): void {
    const { postmaster } = this.#context;
    if (postmaster === undefined || !CLIENT_CLASSES.some((each) => postmaster.wanted.has(each))) return;
    if (postmaster.isNotice(this.#job.envelope.sender)) return;
    session.transcript ??= new Transcript("client", postmaster.wanted);
  }

  /** What a session has said is told of after each delivery, and not kept for the next one. */
  #tellPostmaster(session: Session): void {
    const { settings: { program }, postmaster } = this.#context;
    const { transcript } = session;
    if (transcript === undefined) return;
    session.whenSilent(() => {
      const taken = transcript.take();
      const role = program === "smtp" ? "SMTP client" : "LMTP client";
      if (taken !== undefined) postmaster?.tell({ role, peer: session.relay, ...taken });
    });
    if (!session.ended && session.reusable) session.transcript = undefined;
  }

  /** A message that has waited before goes in the clear where it may: else it would wait for ever (smtp_tls_security_level = may). */
  #mayRetryInClear({ brokenTls }: Failure, { key }: Session): boolean {
    const { settings, now } = this.#context;
    const { envelope } = this.#job;
    const isOld = onlyAsks(envelope) || now() - envelope.arrival >= settings.minimalBackoff;
    const may = brokenTls !== undefined && key.tls.level === "may" && key.login.is === "none" && isOld &&
      !demandsTls(key.requireTls);
    if (may) this.#retryInClear = true;
    return may;
  }

  /** Sends the message; answers false when a kept session was dead and nothing has happened. */
  async #transfer(session: Session): Promise<boolean> {
    session.uses++;
    this.#progress.tlsStatus = session.tlsStatus;
    this.#listen(session);
    const end = await this.#whileAbortable(session, this.#transact(session));
    if (end === "stale") {
      session.close();
      session.transcript = undefined;
      return false;
    }
    this.#progress.sessionEnds();
    if (this.#progress.left.length > 0) this.#why = this.#progress.lastFailure;
    this.#kept.putAway(session);
    this.#tellPostmaster(session);
    return true;
  }

  /** A fault on this side, as a queue file that cannot be read, ends the session: what has gone out must not be ended. */
  async #transact(session: Session): Promise<TransactionEnd> {
    try {
      return await transact(session, this.#progress, this.#transaction!);
    } catch (error) {
      this.#context.warn(
        `${this.#job.envelope.id}: ${systemErrorText(error)}`,
      );
      session.transcript?.note("data");
      const failure = localFailure("4.3.0", `local data error while talking to ${session.name}`);
      this.#progress.failAll(failure, session, { throttle: false });
      session.abort();
      return "done";
    }
  }

  /** An answer to the end of data is waited for: the message may have been taken. */
  async #whileAbortable<T>(session: Session, work: Promise<T>): Promise<T> {
    const abort = () => session.endOfDataSent ? undefined : session.abort();
    if (this.#signal.aborted) abort();
    this.#signal.addEventListener("abort", abort, { once: true });
    try {
      return await work;
    } finally {
      this.#signal.removeEventListener("abort", abort);
    }
  }

  /** LMTP over a socket of this machine. */
  async #overSocket(path: string): Promise<void> {
    const { settings, warn } = this.#context;
    if (settings.fallbackRelays.length > 0) {
      warn(
        `ignoring "lmtp_fallback_relay = ${
          settings.fallbackRelays.join(" ")
        }" setting for non-TCP connections`,
      );
    }
    const peer = { host: settings.myhostname, address: path, port: 0 };
    this.#finalNexthop = true;
    const where = { nexthop: path, domain: settings.myhostname, port: 0 };
    const demands = await SiteDemands.of(where, this.#job, this.#context, this.#signal);
    const demand = await demands.socket();
    if (isPassedOver(demand)) {
      this.#tells(demand.status);
      return void (this.#why = demand.why);
    }
    this.#tells(statusOf(demand));
    this.#kept.begin(path, path, demand.policy);
    for (let attempt = 0; attempt < 10 && this.#mustGoOn(); attempt++) {
      const session = await this.#sessionTo({ is: "unix", peer }, demand, {
        ...where,
        id: this.#job.envelope.id,
        arrival: this.#job.envelope.arrival,
        detectLoop: false,
        reportTo: undefined,
        prepare: (opened) => {
          opened.bestMx = true;
          this.#progress.finalServer = true;
        },
      });
      if (session === undefined) return;
      this.#progress.finalServer = true;
      if (await this.#transfer(session)) return;
    }
  }
}

const statusOf = ({ tls, requireTls }: Demand) => new FeatureStatus(tls, requireTls);

/** The servers of a next hop that are left to try, and what goes for all of them. */
interface Round {
  readonly rest: readonly Target[];
  readonly all: readonly Target[];
  readonly destination: Destination & { is: "host" };
  readonly detectLoop: boolean;
  readonly limits: Limits;
  readonly mx: MxDomain | undefined;
  readonly demands: SiteDemands;
}

/** What a new session is opened for. */
interface Opening extends Purpose {
  /** Notes in the session what is known of the server before anything is said. */
  readonly prepare: (session: Session) => void;
}

interface Limits {
  addresses: number;
  sessions: number;
}

/** The hosts of a next hop, or the socket (`unix:path`, LMTP only). */
function sitesOf(
  nexthop: string,
  program: "smtp" | "lmtp",
): readonly [readonly string[], string | undefined] {
  if (program === "smtp") return [splitList(nexthop), undefined];
  if (nexthop.startsWith("unix:")) return [[], nexthop.slice(5)];
  return [splitList(nexthop.startsWith("inet:") ? nexthop.slice(5) : nexthop), undefined];
}
