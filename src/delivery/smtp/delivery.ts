import { systemErrorText } from "../../platform/system_error.ts";
import { asciiDomain } from "../../address/idna.ts";
import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import { splitList } from "../../config/syntax/list.ts";
import type { DeliveryJob, DeliveryReport } from "../agent.ts";
import {
  type ClientTlsPolicy,
  isOptional,
  isPolicyFault,
  type PolicyDraft,
  type PolicyFault,
} from "../../tls/client_policy.ts";
import { NO_TLS_POLICY } from "../../tls/complete_policy.ts";
import type { PublishedPolicy } from "../../tls/published_policy.ts";
import { OTHER_HOST } from "../../tls/tlsrpt/handshake_failure.ts";
import { parseIp } from "../../address/ip.ts";
import type { HandshakeJudgement } from "../../tls/client_engine.ts";
import { type AddressList, domainTargets, hostTargets, type Target } from "./route/address_list.ts";
import { type Endpoint, openSession } from "./connector.ts";
import type { DeliveryContext } from "./delivery_context.ts";
import { type Destination, parseDestination } from "./route/smtp_destination.ts";
import { type Failure, isSoft, localFailure } from "./failure.ts";
import { open } from "./opening.ts";
import { openingSteps } from "./opening_steps.ts";
import { type LoginDemand, loginText, NO_LOGIN } from "./login/login_demand.ts";
import { logIn, noteOffer } from "./login/login_step.ts";
import { relayName } from "./peer.ts";
import { Progress } from "./progress.ts";
import { Session } from "./client_session.ts";
import { outgoingMessage } from "./content/outgoing_message.ts";
import { addressKey, type Demand, demandOf, nexthopKey, NO_DEMAND, withRequireTls } from "./session_key.ts";
import { serverTls } from "./session_tls.ts";
import type { PolicyDestination, PolicyServer } from "./tls/client_policies.ts";
import { demandsTls, type RequireTlsLevel } from "./tls/requiretls_policy.ts";
import { demandsRequireTls, goesWithoutTls, limitedPolicy, tooWeak, weakNote } from "./tls/sender_wishes.ts";
import { type ReportedDomain, SessionReport } from "./tls/session_report.ts";
import { draftText } from "./tls/draft_text.ts";
import { transact, type TransactionContext, type TransactionEnd } from "./transaction.ts";

/** Port on which mail systems talk to each other: there a host with our own name or address is a loop. */
const SMTP_PORT = 25;
/** Port of SMTP over TLS from the first byte (RFC 8314 §3.3). */
const SUBMISSIONS_PORT = 465;

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
  /** Under which next hop the first good connection is kept. */
  #nexthopKey: string | undefined;
  #keptByNexthop = false;
  /** TLS broke where it need not be: the same server gets another chance in the clear. */
  #retryInClear = false;
  #transaction: TransactionContext | undefined;
  /** The domain in hand, where it wants to be told what becomes of TLS. */
  #reportTo: ReportedDomain | undefined;

  constructor(job: DeliveryJob, signal: AbortSignal, context: DeliveryContext) {
    this.#job = job;
    this.#signal = signal;
    this.#context = context;
    const { program } = context.settings;
    this.#progress = new Progress(job, {
      softBounce: context.settings.softBounce,
      now: context.now,
      skipped: (reason) => context.log.emit(program, "hostSkipped", { id: job.envelope.id, reason }),
    });
  }

  async run(): Promise<DeliveryReport> {
    this.#transaction = await outgoingMessage(this.#job, this.#context, {
      keep: (session) => this.#willKeep(session),
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
    const draft = await this.#draftFor(where);
    if (!this.#mustGoOn()) return;
    const requireTls = await this.#requireTlsFor(destination.host);
    this.#reportTo = await this.#reportsFor(destination.host);
    const limits = { addresses: 0, sessions: 0 };
    if (first && this.#cachePolicy(destination.host) && !isPolicyFault(draft)) {
      this.#nexthopKey = nexthopKey(destination.text, withRequireTls(draftText(draft), requireTls));
      if (await this.#overSoleServer(this.#nexthopKey, site)) return;
    }
    const detectLoop = settings.program === "smtp" && destination.port === SMTP_PORT;
    const list = await this.#lookUp(destination, detectLoop);
    if (list.failure !== undefined && list.targets.length === 0) this.#why = list.failure;
    for (const warning of list.warnings ?? []) this.#context.warn(warning);
    // Other relays do not help when the mail comes back to this host.
    if (list.iAmMx || list.failure?.status.endsWith(".4.6")) this.#finalNexthop = true;
    const rest = first ? await this.#overKeptSessions(list.targets, site, limits) : list.targets;
    const demand = (target: Target) =>
      this.#demandOf(draft, { ...where, host: target.host, target, mx: list.mx }, requireTls);
    await this.#overTargets({ rest, all: list.targets, destination, detectLoop, limits, demand });
  }

  /** What the next hop's own policy is; who would rather have no TLS than no delivery has none looked up. */
  async #draftFor(where: PolicyDestination): Promise<PolicyDraft | PolicyFault> {
    const { settings, policies, wishes } = this.#context.tls;
    if (goesWithoutTls(this.#job.envelope, wishes)) return limitedPolicy(settings);
    return await unlessAborted(policies.nexthop(where), this.#signal) ?? INTERRUPTED;
  }

  async #requireTlsFor(domain: string): Promise<RequireTlsLevel> {
    const { requireTls, wishes } = this.#context.tls;
    return demandsRequireTls(this.#job.envelope, wishes) ? await requireTls(domain) : "disable";
  }

  /** A domain is told of mail that TLS counts for alone (RFC 8689 §5). */
  async #reportsFor(host: string): Promise<ReportedDomain | undefined> {
    const { reports, wishes, settings } = this.#context.tls;
    if (reports === undefined || settings.level === "none") return undefined;
    if (goesWithoutTls(this.#job.envelope, wishes) || parseIp(host) !== undefined) return undefined;
    const domain = asciiDomain(host).toLowerCase();
    return await reports.reporting.wanted(domain) ? { ...reports, domain } : undefined;
  }

  /** What is demanded of a server; undefined when it is passed over, which is in the log. */
  async #demandOf(
    draft: PolicyDraft | PolicyFault,
    server: PolicyServer,
    requireTls: RequireTlsLevel,
  ): Promise<Demand | undefined> {
    const { tls, warn, log, settings } = this.#context;
    const policy = await tls.policies.server(draft, server);
    if (isPolicyFault(policy)) {
      warn(policy.logged ?? `TLS policy lookup for ${server.nexthop}/${server.host}: ${policy.text}`);
      if (policy.published !== undefined) this.#reportOtherHost(policy.published, server);
      this.#why = localFailure(policy.status, policy.text);
      return undefined;
    }
    const weak = tooWeak(requireTls, policy.level, server.host);
    if (weak !== undefined) {
      warn(`TLS policy lookup for ${server.nexthop}/${server.host}: ${weak.text}`);
      this.#why = weak;
      return undefined;
    }
    const note = weakNote(requireTls, policy.level, server.host);
    if (note !== undefined) log.note(settings.program, "info", `${this.#job.envelope.id}: ${note}`);
    if (!tls.settings.wrapperMode || !isOptional(policy.level)) {
      const login = await this.#loginAt(server.host, server.nexthop);
      return demandOf(policy, { domain: server.domain, host: server.host, requireTls, login });
    }
    const { program } = tls.settings;
    warn(`${program}_tls_wrappermode requires "${program}_tls_security_level = encrypt" (or stronger)`);
    return undefined;
  }

  /** A host that the domain's policy does not name is not spoken to; its domain learns of it. */
  #reportOtherHost(published: PublishedPolicy, { host, target }: PolicyServer): void {
    if (this.#reportTo === undefined) return;
    const policy: ClientTlsPolicy = { ...NO_TLS_POLICY, level: "secure", published };
    const address = target?.address ?? "";
    new SessionReport(this.#reportTo, { policy, host, address, localAddress: "" }).failed(OTHER_HOST);
  }

  /** The login for a server on the way to a next hop. */
  #loginAt(host: string, nexthop: string): MaybeAsync<LoginDemand> {
    const { sender } = this.#job.envelope;
    return this.#context.logins?.demand({ host, nexthop, sender }) ?? NO_LOGIN;
  }

  /** The direct way: a kept connection to the only server there is needs no lookup. Answers whether it was taken. */
  async #overSoleServer(key: string, nexthop: string): Promise<boolean> {
    for (;;) {
      const session = await this.#takeKept(key, nexthop, true);
      if (session === undefined) return false;
      if (!this.#mustGoOn()) {
        session.quit();
        return false;
      }
      this.#progress.finalServer = this.#finalNexthop;
      if (await this.#transfer(session)) return true;
    }
  }

  /** A connection kept for the next hop, if it was made for what its host demands now. */
  async #takeKept(key: string, nexthop: string, sole: boolean): Promise<Session | undefined> {
    for (;;) {
      const session = this.#context.cache.take(key, sole);
      if (session === undefined) return undefined;
      const login = await this.#loginAt(session.peer.host, nexthop);
      if (loginText(login) === loginText(session.key.login)) return this.#reused(session);
      session.quit();
    }
  }

  #reused(session: Session): Session {
    const { log, settings, tls } = this.#context;
    if (session.tls !== undefined) {
      log.emit(
        settings.program,
        "serverTls",
        serverTls(session.tls, "reused", tls.settings.log.has("summary")),
      );
    }
    return session;
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

  /** Whether this delivery looks for kept connections and leaves its own (smtp_connection_cache_on_demand). */
  #cachePolicy(host: string): boolean {
    const { settings } = this.#context;
    return settings.cacheDestinations.has(host.toLowerCase()) || settings.cacheOnDemand;
  }

  #willKeep(session: Session): boolean {
    const { settings, cache } = this.#context;
    const wanted = this.#job.more !== false ||
      settings.cacheDestinations.has(session.peer.host.toLowerCase());
    return this.#nexthopKey !== undefined && wanted && session.uses > 0 && cache.mayServeAgain(session);
  }

  #limitReached({ addresses, sessions }: Limits): boolean {
    const { mxAddressLimit, mxSessionLimit } = this.#context.settings;
    return (mxAddressLimit > 0 && addresses >= mxAddressLimit) ||
      (mxSessionLimit > 0 && sessions >= mxSessionLimit);
  }

  /** Connections kept for this next hop, as long as they last; answers the addresses that are left to try. */
  async #overKeptSessions(
    targets: readonly Target[],
    nexthop: string,
    limits: Limits,
  ): Promise<readonly Target[]> {
    let rest = targets;
    while (
      this.#nexthopKey !== undefined && rest.length > 0 && this.#mustGoOn() && !this.#limitReached(limits)
    ) {
      const session = await this.#takeKept(this.#nexthopKey, nexthop, false);
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
      const demand = await round.demand(rest[i]!);
      if (demand === undefined) continue;
      this.#retryInClear = false;
      await this.#overTarget(round, i, demand);
      if (!this.#retryInClear || !this.#mustGoOn()) continue;
      this.#retryInClear = false;
      await this.#overTarget(round, i, NO_DEMAND);
    }
  }

  async #overTarget(round: Round, at: number, demand: Demand): Promise<void> {
    const { rest, all, limits, destination, detectLoop } = round;
    const target = rest[at]!;
    const setFinal = () =>
      this.#progress.finalServer = this.#finalNexthop &&
        (at === rest.length - 1 || this.#limitReached(limits));
    const peer = { host: target.host, address: target.address, port: destination.port };
    const endpoint: Endpoint = { is: "tcp", peer, family: target.family };
    // A kept connection that turns out dead gives way to a new one to the same address.
    for (let transferred = false; !transferred && this.#mustGoOn();) {
      const session = await this.#sessionTo(endpoint, demand, {
        nexthop: destination.text,
        domain: destination.host,
        detectLoop,
        prepare: (opened) => {
          opened.bestMx = target.preference === all[0]!.preference;
          opened.sole = all.length === 1;
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
    const { cache, log, settings } = this.#context;
    if (this.#nexthopKey !== undefined) {
      const kept = cache.take(addressKey(peer, demand));
      if (kept !== undefined) return this.#reused(kept);
    }
    const session = await openSession(endpoint, demand, this.#context, this.#signal);
    if (!(session instanceof Session)) {
      this.#why = session;
      if (this.#signal.aborted) return undefined;
      log.emit(settings.program, "connectFailed", { reason: session.text });
      return undefined;
    }
    opening.prepare(session);
    const failure = await this.#whileAbortable(session, this.#open(session, opening));
    if (failure === undefined) return session;
    this.#notOpened(session, failure);
    return undefined;
  }

  #notOpened(session: Session, failure: Failure): void {
    this.#why = failure;
    if (this.#mayRetryInClear(failure, session)) this.#progress.finalServer = false;
    // Where TLS need not be, a handshake that fails does not make the destination a dead one (smtp_proto(3)).
    const throttle = failure.brokenTls !== "handshake" || !isOptional(session.key.tls.level);
    this.#progress.failAll(failure, session, { throttle });
    this.#progress.sessionEnds();
    session.quit();
  }

  /** A message that has waited before goes in the clear where it may: else it would wait for ever (smtp_tls_security_level = may). */
  #mayRetryInClear({ brokenTls }: Failure, { key }: Session): boolean {
    const { settings, now } = this.#context;
    const { envelope } = this.#job;
    const isOld = envelope.kind === "probe" || now() - envelope.arrival >= settings.minimalBackoff;
    const may = brokenTls !== undefined && key.tls.level === "may" && key.login.is === "none" && isOld &&
      !demandsTls(key.requireTls);
    if (may) this.#retryInClear = true;
    return may;
  }

  async #open(session: Session, { nexthop, domain, detectLoop }: Opening): Promise<Failure | undefined> {
    const { settings, warn, discardKeywords, log, tls, logins } = this.#context;
    const { peer, key } = session;
    try {
      const listed = await discardKeywords?.(session.peer.address);
      const context = {
        settings,
        nexthop,
        detectLoop,
        discard: listed === undefined ? settings.discardEhloKeywords : upperCaseWords(listed),
        warn,
        note: (text: string) => log.note(settings.program, "info", text),
        ...(logins !== undefined && { greeted: (greeted: Session) => noteOffer(logins, greeted, warn) }),
      };
      const steps = openingSteps({
        ...tls,
        policy: key.tls,
        server: { ...peer, nexthop, domain, whom: relayName(peer) },
        judged: (judged) => this.#judged(session, judged),
        requireTls: key.requireTls,
        id: this.#job.envelope.id,
        report: this.#reportOf(session),
      });
      return await open(session, context, logins === undefined ? steps : [...steps, logIn(logins)]);
    } catch (error) {
      return this.#localFault(session, error);
    }
  }

  #reportOf({ key: { tls: policy }, peer, localAddress }: Session): SessionReport | undefined {
    if (this.#reportTo === undefined || policy.level === "none") return undefined;
    return new SessionReport(this.#reportTo, { ...peer, policy, localAddress });
  }

  #judged(session: Session, { facts, trust }: HandshakeJudgement): void {
    const { log, settings, tls } = this.#context;
    session.tls = { facts, trust, whom: session.relay, level: session.key.tls.level };
    log.emit(
      settings.program,
      "serverTls",
      serverTls(session.tls, "established", tls.settings.log.has("summary")),
    );
  }

  #localFault(session: Session, error: unknown): Failure {
    this.#context.warn(`${this.#job.envelope.id}: ${systemErrorText(error)}`);
    return localFailure("4.3.0", `local data error while talking to ${session.name}`);
  }

  /** Sends the message; answers false when a kept session was dead and nothing has happened. */
  async #transfer(session: Session): Promise<boolean> {
    session.uses++;
    const end = await this.#whileAbortable(session, this.#transact(session));
    if (end === "stale") {
      session.close();
      return false;
    }
    this.#progress.sessionEnds();
    if (this.#progress.left.length > 0) this.#why = this.#progress.lastFailure;
    this.#putAway(session);
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
      const failure = localFailure("4.3.0", `local data error while talking to ${session.name}`);
      this.#progress.failAll(failure, session, { throttle: false });
      session.abort();
      return "done";
    }
  }

  /** Keeps a good connection; the first one of a delivery goes by its next hop too (smtp_connect(3)). */
  #putAway(session: Session): void {
    if (session.ended) return session.close();
    if (!this.#willKeep(session)) return session.quit();
    const keys = [addressKey(session.key.peer, session.key)];
    if (!this.#keptByNexthop && this.#nexthopKey !== undefined) keys.push(this.#nexthopKey);
    this.#keptByNexthop = true;
    this.#context.cache.keep(session, keys);
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
    const demand = await this.#socketDemand(path);
    if (demand === undefined) return;
    if (this.#cachePolicy(path)) this.#nexthopKey = nexthopKey(path, demand.policy);
    for (let attempt = 0; attempt < 10 && this.#mustGoOn(); attempt++) {
      const session = await this.#sessionTo({ is: "unix", peer }, demand, {
        nexthop: path,
        domain: settings.myhostname,
        detectLoop: false,
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

  /** Nobody listens on a socket of this machine: TLS is for who asks for it, not for who would take it. */
  async #socketDemand(path: string): Promise<Demand | undefined> {
    const { settings: { myhostname }, tls: { policies }, warn } = this.#context;
    const where = { nexthop: path, domain: myhostname, port: 0 };
    const server = { ...where, host: myhostname, target: undefined, mx: undefined };
    const requireTls = await this.#requireTlsFor(myhostname);
    const login = await this.#loginAt(myhostname, path);
    const policy = await policies.server(await this.#draftFor(where), server);
    if (isPolicyFault(policy)) {
      warn(`TLS policy lookup error for ${myhostname}/${path}: ${policy.text}`);
      this.#why = localFailure(policy.status, policy.text);
      return undefined;
    }
    const weak = tooWeak(requireTls, policy.level, myhostname);
    if (weak !== undefined) {
      warn(`TLS policy lookup error for ${myhostname}/${path}: ${weak.text}`);
      this.#why = weak;
      return undefined;
    }
    if (policy.level === "may") {
      warn(
        "smtp_connect_local: opportunistic TLS encryption is not appropriate for unix-domain destinations.",
      );
      return demandOf(NO_TLS_POLICY, { domain: myhostname, host: myhostname, requireTls, login });
    }
    return demandOf(policy, { domain: myhostname, host: myhostname, requireTls, login });
  }
}

/** The service stops: nobody is spoken to any more. */
const INTERRUPTED: PolicyFault = { status: "4.3.2", text: "delivery was interrupted" };

/** What comes of it, or undefined as soon as the service stops: a policy may take as long as its web server does. */
function unlessAborted<T>(work: MaybeAsync<T>, signal: AbortSignal): MaybeAsync<T | undefined> {
  if (!isPromise(work)) return work;
  return new Promise((resolve, reject) => {
    const stop = () => resolve(undefined);
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

/** The servers of a next hop that are left to try, and what goes for all of them. */
interface Round {
  readonly rest: readonly Target[];
  readonly all: readonly Target[];
  readonly destination: Destination & { is: "host" };
  readonly detectLoop: boolean;
  readonly limits: Limits;
  readonly demand: (target: Target) => Promise<Demand | undefined>;
}

/** What a new session is opened for. */
interface Opening {
  readonly nexthop: string;
  /** The next hop without brackets and port. */
  readonly domain: string;
  readonly detectLoop: boolean;
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

function upperCaseWords(list: string): ReadonlySet<string> {
  return new Set(splitList(list).map((word) => word.toUpperCase()));
}
