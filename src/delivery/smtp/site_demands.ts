import { asciiDomain } from "../../address/idna.ts";
import { parseIp } from "../../address/ip.ts";
import { isPromise, type MaybeAsync } from "../../base/maybe_async.ts";
import {
  type ClientTlsPolicy,
  isOptional,
  isPolicyFault,
  type PolicyDraft,
  type PolicyFault,
} from "../../tls/client_policy.ts";
import { NO_TLS_POLICY } from "../../tls/client/complete_policy.ts";
import type { PublishedPolicy } from "../../tls/published_policy.ts";
import { OTHER_HOST } from "../../tls/tlsrpt/handshake_failure.ts";
import type { DeliveryJob } from "../agent.ts";
import type { DeliveryContext } from "./delivery_context.ts";
import { type Failure, localFailure } from "./failure.ts";
import { type LoginDemand, NO_LOGIN } from "./login/login_demand.ts";
import type { MxDomain, Target } from "./route/address_list.ts";
import { type Demand, demandOf, withRequireTls } from "./session_key.ts";
import type { PolicyDestination, PolicyServer } from "./tls/client_policies.ts";
import { FeatureStatus } from "./tls/feature_status.ts";
import { draftText } from "./tls/draft_text.ts";
import type { RequireTlsLevel } from "./tls/requiretls_policy.ts";
import { demandsRequireTls, goesWithoutTls, limitedPolicy, tooWeak, weakNote } from "./tls/sender_wishes.ts";
import { type ReportedDomain, SessionReport } from "./tls/session_report.ts";

/** A server that is not spoken to, which is in the log; the mail waits for this reason, when there is one and no other server. */
export interface PassedOver {
  readonly why: Failure | undefined;
  /** What has become of TLS, which the delivery line may tell. */
  readonly status?: FeatureStatus;
}

/** Tells it from a demand. */
export function isPassedOver(answer: Demand | PassedOver): answer is PassedOver {
  return "why" in answer;
}

/** What operator and sender demand of the servers of one next hop: TLS, logins, REQUIRETLS. */
export class SiteDemands {
  readonly #where: PolicyDestination;
  readonly #job: DeliveryJob;
  readonly #context: DeliveryContext;
  readonly #draft: PolicyDraft | PolicyFault;
  readonly #requireTls: RequireTlsLevel;
  /** The domain, where it wants to be told what becomes of TLS. */
  readonly reportTo: ReportedDomain | undefined;

  private constructor(
    where: PolicyDestination,
    job: DeliveryJob,
    context: DeliveryContext,
    found: {
      readonly draft: PolicyDraft | PolicyFault;
      readonly requireTls: RequireTlsLevel;
      readonly reportTo: ReportedDomain | undefined;
    },
  ) {
    this.#where = where;
    this.#job = job;
    this.#context = context;
    this.#draft = found.draft;
    this.#requireTls = found.requireTls;
    this.reportTo = found.reportTo;
  }

  /** Finds out what a next hop's own entries say. */
  static async of(
    where: PolicyDestination,
    job: DeliveryJob,
    context: DeliveryContext,
    signal: AbortSignal,
  ): Promise<SiteDemands> {
    const draft = await draftFor(where, job, context, signal);
    const { requireTls: levelOf, wishes } = context.tls;
    const requireTls = demandsRequireTls(job.envelope, wishes) ? await levelOf(where.domain) : "disable";
    const reportTo = signal.aborted ? undefined : await reportsFor(where, job, context);
    return new SiteDemands(where, job, context, { draft, requireTls, reportTo });
  }

  /** What parts connections kept for this next hop from others; undefined when none may be used. */
  get text(): string | undefined {
    return isPolicyFault(this.#draft) ? undefined : withRequireTls(draftText(this.#draft), this.#requireTls);
  }

  /** The login for a server on the way. */
  loginAt(host: string): MaybeAsync<LoginDemand> {
    const { sender } = this.#job.envelope;
    return this.#context.logins?.demand({ host, nexthop: this.#where.nexthop, sender }) ?? NO_LOGIN;
  }

  /** What is demanded of one of the servers. */
  async server(target: Target, mx: MxDomain | undefined): Promise<Demand | PassedOver> {
    const server = { ...this.#where, host: target.host, target, mx };
    const policy = await this.#policyFor(server, `TLS policy lookup for ${server.nexthop}/${server.host}`);
    if ("why" in policy) return policy;
    const { tls: { settings: { program, wrapperMode } }, warn, log } = this.#context;
    const note = weakNote(this.#requireTls, policy.level, server.host);
    if (note !== undefined) log.note(program, "info", `${this.#job.envelope.id}: ${note}`);
    if (!wrapperMode || !isOptional(policy.level)) return await this.#demand(policy, server);
    warn(`${program}_tls_wrappermode requires "${program}_tls_security_level = encrypt" (or stronger)`);
    return { why: undefined };
  }

  /** The same for a socket of this machine: nobody listens on it, so TLS is for who asks for it, not for who would take it. */
  async socket(): Promise<Demand | PassedOver> {
    const { nexthop, domain } = this.#where;
    const server = { ...this.#where, host: domain, target: undefined, mx: undefined };
    const policy = await this.#policyFor(server, `TLS policy lookup error for ${domain}/${nexthop}`);
    if ("why" in policy) return policy;
    if (policy.level !== "may") return await this.#demand(policy, server);
    this.#context.warn(
      "smtp_connect_local: opportunistic TLS encryption is not appropriate for unix-domain destinations.",
    );
    return await this.#demand(NO_TLS_POLICY, server);
  }

  async #policyFor(server: PolicyServer, where: string): Promise<ClientTlsPolicy | PassedOver> {
    const { tls, warn } = this.#context;
    const policy = await tls.policies.server(this.#draft, server);
    if (isPolicyFault(policy)) {
      warn(policy.logged ?? `${where}: ${policy.text}`);
      if (policy.published !== undefined) this.#reportOtherHost(policy.published, server);
      const status = new FeatureStatus(undefined, this.#requireTls);
      return { why: localFailure(policy.status, policy.text), status };
    }
    const weak = tooWeak(this.#requireTls, policy.level, server.host);
    if (weak === undefined) return policy;
    warn(`${where}: ${weak.text}`);
    const status = new FeatureStatus(policy, this.#requireTls);
    if (this.#requireTls !== "error") {
      status.requireTls(this.#requireTls === "enforce" ? "nocertmatch" : "noencryption", false);
    }
    return { why: weak, status };
  }

  async #demand(policy: ClientTlsPolicy, { domain, host }: PolicyServer): Promise<Demand> {
    const login = await this.loginAt(host);
    return demandOf(policy, { domain, host, requireTls: this.#requireTls, login });
  }

  /** A host that the domain's policy does not name is not spoken to; its domain learns of it. */
  #reportOtherHost(published: PublishedPolicy, { host, target }: PolicyServer): void {
    if (this.reportTo === undefined) return;
    const policy: ClientTlsPolicy = { ...NO_TLS_POLICY, level: "secure", published };
    const address = target?.address ?? "";
    new SessionReport(this.reportTo, { policy, host, address, localAddress: "" }).failed(OTHER_HOST);
  }
}

/** The service stops: nobody is spoken to any more. */
const INTERRUPTED: PolicyFault = { status: "4.3.2", text: "delivery was interrupted" };

/** What the next hop's own policy is; who would rather have no TLS than no delivery has none looked up. */
async function draftFor(
  where: PolicyDestination,
  { envelope }: DeliveryJob,
  { tls: { settings, policies, wishes } }: DeliveryContext,
  signal: AbortSignal,
): Promise<PolicyDraft | PolicyFault> {
  if (goesWithoutTls(envelope, wishes)) return limitedPolicy(settings);
  return await unlessAborted(policies.nexthop(where), signal) ?? INTERRUPTED;
}

/** A domain is told of mail that TLS counts for alone (RFC 8689 §5). */
async function reportsFor(
  { domain: host, port }: PolicyDestination,
  { envelope }: DeliveryJob,
  { tls: { reports, wishes, settings } }: DeliveryContext,
): Promise<ReportedDomain | undefined> {
  if (reports === undefined || settings.level === "none" || port === 0) return undefined;
  if (goesWithoutTls(envelope, wishes) || parseIp(host) !== undefined) return undefined;
  const domain = asciiDomain(host).toLowerCase();
  return await reports.reporting.wanted(domain) ? { ...reports, domain } : undefined;
}

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
